// Whether this process was forked by a zygote, with libvips started and warm: see zygote.c.
int tintype_forked(void);
