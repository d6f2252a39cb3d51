/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Code for test_dma_symbol.c, which loads copies of it under several names: functions that call the
 * test, and a function whose name only the symbol table of the file has.
 */

#define CALLER(name) \
	const void *name(const void *(*fn)(int code), int code); \
	const void *name(const void *(*fn)(int code), int code) \
	{ \
		const void *found = fn(code); \
\
		__asm__ volatile("" : : "i"(__LINE__) : "memory"); \
		return found; \
	}

CALLER(plain)
CALLER(rte_call)
CALLER(rtecall)
CALLER(__rte_call)
CALLER(__rtecall)
CALLER(igb_call)
CALLER(igbcall)
CALLER(gantry_dma_call)
CALLER(gantry_dmacall)
CALLER(eth_dev_call)
CALLER(eth_devcall)

static __attribute__((noinline)) void
hidden(void)
{
	__asm__ volatile("nop; nop; nop; nop");
}

const void *hidden_code(void);

const void *
hidden_code(void)
{
	hidden();
	return (const void *)hidden;
}
