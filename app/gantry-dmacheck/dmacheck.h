/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * What a bug of the corpus is, and what it is played on.
 */

#ifndef DMACHECK_H
#define DMACHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "gantry_dma.h"
#include "gantry_dma_debug.h"
#include "gantry_dma_pool.h"
#include "gantry_dma_sg.h"

/* The class that gantry_dma_debug.h has no name for: what only the device's IOMMU can know. */
#define CLASS_IOMMU GANTRY_DMA_MISUSE_MAX
/* A class by its name. */
const char *class_name(int misuse);

/*
 * A function that a report must name. It is looked up by name, so it is global, and it keeps
 * a frame of its own.
 */
#define CULPRIT __rte_noinline

/* One play of one bug, or of its twin: a device, and what is found out. */
struct rig {
	struct gantry_dma_dev *dma; /* the miniature device's; applications have none */
	struct mini *nic;           /* the miniature device; NULL in an application's */
	struct rte_mempool *pool;
	unsigned int checks, wrong; /* data that arrived; that did not arrive right */
	uint64_t faults;            /* of the device's IOMMU */
	char fault[256];            /* the first of them */
	const void *fault_site;     /* who rang the doorbell before it; NULL: not known */
	enum gantry_dma_mode_id mode;
	bool debug;
};

/* What a play needs of the machine. */
#define NEEDS_HUGEPAGES 1u /* memory that EAL takes and gives back while the program runs */

struct bug {
	const char *name;
	int misuse;          /* enum gantry_dma_misuse, or CLASS_IOMMU */
	const char *source;  /* "planted", or where it is from: repository and commit or thread */
	/* Plays it, or with fixed its twin: the same code without the mistake. */
	void (*play)(struct rig *r, bool fixed);
	const char *culprit; /* the function whose call is the misuse */
	/* That which mapped, or did first what is done twice; or "(file)". NULL: the same. */
	const char *mapper;
	unsigned int needs;  /* NEEDS_ */
	bool faults;         /* the device's IOMMU catches it, too; it always does a CLASS_IOMMU */
};

/* A file of bugs that are played on the same kind of device. */
struct family {
	const char *name;
	const struct bug *bugs;
	unsigned int nr;
	bool app;            /* on the soft NIC, else on the miniature device */
};

extern const struct family family_mapping, family_sync, family_coherent, family_sg, family_mbuf,
	family_iommu, family_history, family_app, family_fields, family_pool;

/* Most bugs are named after the function that the mistake is in. */
#define PLANTED(fn, class) \
	{ .name = #fn, .misuse = GANTRY_DMA_MISUSE_ ## class, .source = "planted", \
	  .play = fn, .culprit = #fn }

#define FAMILY(id, table, is_app) \
	const struct family family_ ## id = { #id, table, RTE_DIM(table), is_app }

/* What an outcome rests on: the data arrived. */
#define CHECK(r, cond) check(r, cond, __FILE__, __LINE__, #cond)
void check(struct rig *r, bool right, const char *file, int line, const char *what);
/* Ends the play: something that is no part of it did not work. */
void broken(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Bytes that depend on a seed; whether they are still there. */
void fill(void *buf, size_t len, unsigned int seed);
bool filled(const void *buf, size_t len, unsigned int seed);
/* Zeroed memory of EAL's, which is never short of so little. */
void *dma_buf(size_t len);

/*
 * The miniature device (mini.c): a NIC of two rings, whose wire is a loop.
 *
 * A descriptor is an address and a length. The device does nothing until its doorbell is
 * rung, and has done all it could when that returns: it fetches the frames that are posted
 * for sending, and writes them, oldest first, into the buffers that are posted for
 * receiving. So what "the device still has it" means is no matter of time.
 */

#define MINI_RING  16
#define MINI_FRAME 16384 /* the longest */

/* Makes the device, in rig's mode and with its checks, and its rings. */
void mini_start(struct rig *r);
/* Gives the rings back, ends the device. */
void mini_end(struct rig *r);
/* The same device, anew: in another mode of DMA, with so many bounce buffers. */
void mini_bounce(struct rig *r, uint32_t slots);

/* The driver writes a descriptor. */
void nic_tx(struct rig *r, gantry_dma_addr_t addr, size_t len);
void nic_rx(struct rig *r, gantry_dma_addr_t addr, size_t len);
/* Rings the doorbell. */
void nic_kick(struct rig *r);
/* The next descriptor that the device has given back: its frame's length; -1: none, or a fault. */
int nic_tx_done(struct rig *r);
int nic_rx_done(struct rig *r);
/* Stops the device and starts it again: it lets go of all descriptors, and of all frames. */
void nic_reset(struct rig *r);
/* For what this device asks besides its rings: it reads, or writes, there. */
void nic_fetch(struct rig *r, gantry_dma_addr_t addr, void *buf, size_t len);
void nic_store(struct rig *r, gantry_dma_addr_t addr, const void *buf, size_t len);

/* A device of the same kind without rings: another port of the same card. */
struct gantry_dma_dev *mini_second(struct rig *r);

/*
 * A correct driver, for what a play is not about.
 */

/* Maps what can be mapped; in the function that calls it, as it would stand there. */
static __rte_always_inline gantry_dma_addr_t
drv_map(struct rig *r, void *buf, size_t len, enum gantry_dma_dir dir)
{
	gantry_dma_addr_t addr = gantry_dma_map_single(r->dma, buf, len, dir);

	if (gantry_dma_mapping_error(r->dma, addr))
		broken("no mapping: %s", gantry_dma_last_error());
	return addr;
}

/* Sends one buffer through the device, and looks at what comes back. */
void drv_roundtrip(struct rig *r, unsigned int seed);

/* The pool of the device's mbufs, made and announced at the first call. */
struct rte_mempool *drv_pool(struct rig *r);
/* A frame of len bytes in an mbuf of it. */
struct rte_mbuf *drv_frame(struct rig *r, uint16_t len, unsigned int seed);
/* Whether an mbuf holds that frame. */
bool drv_is_frame(const struct rte_mbuf *m, uint16_t len, unsigned int seed);

/* A driver's queue of mbufs. */
struct drv_queue {
	struct rte_mbuf *sw[MINI_RING];
	gantry_dma_addr_t addr[MINI_RING];
	uint16_t len[MINI_RING];
	uint16_t tail, clean; /* free-running; slot: modulo the ring */
};

/* Hands an mbuf over for sending. */
void drv_tx(struct rig *r, struct drv_queue *q, struct rte_mbuf *m);
/* Takes back what was sent. */
void drv_tx_clean(struct rig *r, struct drv_queue *q);
/* Posts n mbufs of the pool. */
void drv_rx_fill(struct rig *r, struct drv_queue *q, unsigned int n);
/* The next frame received, or NULL. */
struct rte_mbuf *drv_rx(struct rig *r, struct drv_queue *q);
/* Stops the device, and takes back what was posted and not used. */
void drv_rx_release(struct rig *r, struct drv_queue *q);

/*
 * The soft NIC (softnic.c): a process of its own, whose wire is a loop too.
 */

/* Before EAL: forks it. Then port 0 is started. */
void softnic_fork(struct rig *r);
const char *softnic_devargs(const struct rig *r);
void softnic_start(struct rig *r);
/* Stops and closes the port, ends the process, notes its faults. */
void softnic_end(struct rig *r);
/* The wire stands still, and goes on. */
void softnic_hold(void);
void softnic_go(void);

#endif /* DMACHECK_H */
