/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The fuzz targets share this: an input is read as a program, field by field. A field behind the
 * input's end reads as 0, so every input is a valid program.
 */

#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* tools/fuzz coverage builds the targets without. */
#if __has_feature(address_sanitizer)
#define FUZZ_ASAN
#endif

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *at;
	size_t left;
};

/* Copies up to len bytes of the input, and returns how many there were; the rest is zeroed. */
static inline size_t
in_bytes(struct input *in, void *buf, size_t len)
{
	size_t n = len < in->left ? len : in->left;

	if (n != 0)
		memcpy(buf, in->at, n);
	memset((uint8_t *)buf + n, 0, len - n);
	in->at += n;
	in->left -= n;
	return n;
}

#define IN_FIELD(type) \
static inline type##_t \
in_##type(struct input *in) \
{ \
	type##_t v; \
\
	in_bytes(in, &v, sizeof(v)); \
	return v; \
}
IN_FIELD(uint8)
IN_FIELD(uint16)
IN_FIELD(uint32)
IN_FIELD(uint64)

/* Ends the run with a report: the code under test broke a promise that no sanitizer watches. */
#define MUST(cond) do { \
	if (!(cond)) { \
		fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #cond); \
		abort(); \
	} \
} while (0)

#endif /* FUZZ_H */
