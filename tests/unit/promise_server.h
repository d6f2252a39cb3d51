/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/* The device of promise.h as a polling thread of a vfio-user server, which translates for it. */

#ifndef PROMISE_SERVER_H
#define PROMISE_SERVER_H

#include "promise.h"
#include "vfu_rcu.h"
#include "vfu_server.h"

static inline uint8_t *
promise_server_ptr(void *server, uint64_t addr)
{
	return vfu_dma_ptr(server, addr, 8, VFU_DMA_WRITE);
}

static inline void
promise_server_begin(void)
{
	vfu_rcu_register();
}

static inline void
promise_server_pause(void)
{
	vfu_rcu_quiescent();
}

static inline void
promise_server_end(void)
{
	vfu_rcu_unregister();
}

/* Initialisers of a struct promise. */
#define PROMISE_OF_SERVER(server) \
	.translate = promise_server_ptr, .device = (server), .begin = promise_server_begin, \
	.pause = promise_server_pause, .end = promise_server_end

#endif /* PROMISE_SERVER_H */
