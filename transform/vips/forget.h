#ifndef TINTYPE_FORGET_H
#define TINTYPE_FORGET_H

/* Unmaps the pages of the program and of its libraries that nobody can write to. A page that is
 * used again comes back from the kernel's file cache. Does nothing outside Linux.
 */
void tintype_forget(void);

#endif
