#ifndef TINTYPE_JPEGERROR_H
#define TINTYPE_JPEGERROR_H

#include <vips/vips.h>

#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

/* What libjpeg and jpegli do at an error: they would end the process. */
typedef struct {
	struct jpeg_error_mgr mgr; /* what libjpeg knows of it, so it is the first field */
	jmp_buf at;				   /* where an error jumps to; the caller sets it */
	int strict;				   /* a warning is an error, as libvips has it where it is told to fail */
} TintypeJpegError;

static void
tintype_jpeg_fail(j_common_ptr info)
{
	char text[JMSG_LENGTH_MAX];

	info->err->format_message(info, text);
	vips_error("jpeg", "%s", text);
	longjmp(((TintypeJpegError *) info->err)->at, 1);
}

static void
tintype_jpeg_warn(j_common_ptr info, int level)
{
	if (level < 0 && ((TintypeJpegError *) info->err)->strict)
		tintype_jpeg_fail(info);
}

/* Takes what jpeg_std_error returns for an error's mgr. */
static struct jpeg_error_mgr *
tintype_jpeg_errors(struct jpeg_error_mgr *mgr)
{
	mgr->error_exit = tintype_jpeg_fail;
	mgr->emit_message = tintype_jpeg_warn;
	return mgr;
}

#endif
