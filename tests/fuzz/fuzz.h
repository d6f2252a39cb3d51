/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The fuzz targets, and how they read an input.
 *
 * libFuzzer calls LLVMFuzzerTestOneInput() with bytes that it derives from earlier inputs, and
 * keeps each input that reaches new code. A target of this folder puts itself in the place of a
 * hostile peer, and drives one component through that component's interface. The component is
 * compiled with AddressSanitizer and UBSan, which watch its memory accesses and its arithmetic.
 * Each target also watches promises that no sanitizer knows, with MUST().
 *
 * An input is a program: the target reads it field by field, with in_uint8() and its like.
 *
 *    bytes of the input
 *    +---------+------+----------+------+-----------------+------
 *    | options | step | operands | step | operands        | ...
 *    +---------+------+----------+------+-----------------+------
 *      u8        u8     see enum step of the target         ^
 *                                                           |
 *    struct input { at -------------------------------------'  left: bytes from there to the end }
 *
 * A field behind the input's end reads as 0, so every input is a valid program: libFuzzer may
 * cut, extend or mix inputs, and wastes no run on inputs that a parser would reject. Selectors
 * are reduced modulo the number of choices for the same reason. fuzz_client.c, fuzz_capture.c and
 * fuzz_traffic.c differ: their input is a script of the server, or a file.
 *
 * Organisation by file:
 * - fuzz.h: the input, MUST()
 * - fuzz_files.h: file descriptors, and whether the code under test leaks one
 * - fuzz_loads.h: memory that changes right before the code under test loads it
 * - fuzz_driver_time.h: the virtual clock of the driver
 * - fuzz_server.c: a client opposite the server of lib/vfio_user
 * - fuzz_client.c: a server opposite the client of lib/vfio_user
 * - fuzz_model.c: a driver that programs the controller of lib/igb_model
 * - fuzz_driver.c: a device under the driver of drivers/net/igb
 * - fuzz_capture.c: a file that the capture reader of lib/igb_model opens
 * - fuzz_traffic.c: a file that the loader of lib/traffic opens, and its flows
 * - corpus/: the inputs with which a run begins
 *
 * Lifecycle: LLVMFuzzerInitialize() runs once per process, and starts what is expensive (EAL, a
 * server, a model). LLVMFuzzerTestOneInput() brings the component back to its initial state,
 * runs the program, and checks that nothing remains of it.
 *
 * Threads: all targets but fuzz_server.c and fuzz_client.c have one thread and a virtual clock
 * (or none), so that a run repeats exactly. fuzz_server.c and fuzz_client.c have the threads of
 * the library. They never wait for a time: the target follows the stream that it sends, and
 * waits until each reply that is due has arrived.
 *
 * Not done: no target measures time, none uses the network, and none needs privileges.
 */

#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* tools/fuzz coverage builds the targets without AddressSanitizer. */
#if __has_feature(address_sanitizer)
#define FUZZ_ASAN
#endif

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *at;
	size_t left;
};

/**
 * Copy the next bytes of the input.
 *
 * @param buf   receives up to len bytes; the bytes behind the input's end are set to 0
 *
 * @return how many bytes the input still had, at most len
 */
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
	static inline type##_t in_##type(struct input *in) \
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

/* End the run with a report if the code under test broke a promise that no sanitizer watches. */
#define MUST(cond) \
	do { \
		if (!(cond)) { \
			fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #cond); \
			abort(); \
		} \
	} while (0)

#endif /* FUZZ_H */
