/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The corpus: structure of a bug, the miniature device and driver, and the soft NIC. The theory is
 * in main.c.
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

/* Class of misuse that only the IOMMU can detect, so gantry_dma_debug.h has no name for it. */
#define CLASS_IOMMU GANTRY_DMA_MISUSE_MAX
/* Return the name of a class. */
const char *class_name(int misuse);

/*
 * Marks a function that a report must name. It is global, because it is looked up by name, and it
 * must have its own stack frame.
 */
#define CULPRIT __rte_noinline

/* State of one play of one bug, or of its twin: a device, and the observations. */
struct rig {
	struct gantry_dma_dev *dma; /* of the miniature device; unused by applications */
	struct mini *nic;           /* the miniature device; NULL in a play of an application */
	struct rte_mempool *pool;
	unsigned int checks, wrong; /* comparisons of data; those that failed */
	uint64_t faults;            /* reported by the IOMMU of the device */
	char fault[256];            /* text of the first fault */
	const void *fault_site;     /* caller that rang the doorbell before it; NULL: unknown */
	enum gantry_dma_mode_id mode;
	bool debug;
};

/* Requirements of a play on the machine. */
#define NEEDS_HUGEPAGES 1u /* memory that EAL allocates and returns at run time */

struct bug {
	const char *name;
	int misuse;         /* enum gantry_dma_misuse, or CLASS_IOMMU */
	const char *source; /* "planted", or the origin: repository and commit or thread */
	/* Plays the bug; if fixed, plays its twin: the same code without the mistake. */
	void (*play)(struct rig *r, bool fixed);
	const char *culprit; /* function whose call is the misuse */
	/*
	 * Function that mapped the memory, or that did first what is done twice; or "(file)".
	 * NULL: culprit.
	 */
	const char *mapper;
	unsigned int needs; /* NEEDS_ */
	bool faults;        /* the IOMMU also detects it; always so for CLASS_IOMMU */
};

/* A file of bugs that are played on the same kind of device. */
struct family {
	const char *name;
	const struct bug *bugs;
	unsigned int nr;
	bool app; /* played on the soft NIC; else on the miniature device */
};

extern const struct family family_mapping, family_sync, family_coherent, family_sg, family_mbuf,
		family_iommu, family_history, family_app, family_fields, family_pool;

/* Most bugs are named after the function that contains the mistake. */
#define PLANTED(fn, class) \
	{ \
		.name = #fn, .misuse = GANTRY_DMA_MISUSE_##class, .source = "planted", .play = fn, \
		.culprit = #fn \
	}

#define FAMILY(id, table, is_app) \
	const struct family family_##id = { #id, table, RTE_DIM(table), is_app }

/* Counts a comparison of data: an outcome relies on data that arrived. */
#define CHECK(r, cond) check(r, cond, __FILE__, __LINE__, #cond)
void check(struct rig *r, bool right, const char *file, int line, const char *what);
/* Ends the play, because something failed that is not part of the bug. */
void broken(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Fill a buffer with bytes that depend on a seed; test whether they are unchanged. */
void fill(void *buf, size_t len, unsigned int seed);
bool filled(const void *buf, size_t len, unsigned int seed);
/* Allocate zeroed EAL memory. End the play if there is none. */
void *dma_buf(size_t len);

/*
 * The miniature device (mini.c): a NIC with two rings, whose wire is a loop.
 *
 * A descriptor is an address and a length. The device does nothing until its doorbell rings. When
 * nic_kick() returns, it has done all it can: it fetched the frames that were posted for sending,
 * and wrote them, oldest first, into the buffers that were posted for receiving. "The device still
 * owns it" is therefore never a matter of timing.
 */

#define MINI_RING  16
#define MINI_FRAME 16384 /* bytes of the longest frame */

/* Create the device, in the mode and with the checks of the rig, and its rings. */
void mini_start(struct rig *r);
/* Free the rings, and destroy the device. */
void mini_end(struct rig *r);
/* Create the device again in bounce mode, with that many bounce buffers per size. */
void mini_bounce(struct rig *r, uint32_t slots);

/* Driver: write a descriptor. */
void nic_tx(struct rig *r, gantry_dma_addr_t addr, size_t len);
void nic_rx(struct rig *r, gantry_dma_addr_t addr, size_t len);
/* Driver: ring the doorbell. */
void nic_kick(struct rig *r);
/*
 * Driver: take the next descriptor that the device has completed. Returns the length of its frame;
 * -1 if there is none, or after a fault.
 */
int nic_tx_done(struct rig *r);
int nic_rx_done(struct rig *r);
/* Driver: stop the device and start it again. It drops all descriptors and all frames. */
void nic_reset(struct rig *r);
/* The device reads, or writes, memory outside its rings. */
void nic_fetch(struct rig *r, gantry_dma_addr_t addr, void *buf, size_t len);
void nic_store(struct rig *r, gantry_dma_addr_t addr, const void *buf, size_t len);

/* Create a second device without rings: another port of the same card. */
struct gantry_dma_dev *mini_second(struct rig *r);

/*
 * A correct driver, for the parts of a play that are not its subject.
 */

/* Map a buffer. Inline, so that the calling function makes the call. */
static __rte_always_inline gantry_dma_addr_t
drv_map(struct rig *r, void *buf, size_t len, enum gantry_dma_dir dir)
{
	gantry_dma_addr_t addr = gantry_dma_map_single(r->dma, buf, len, dir);

	if (gantry_dma_mapping_error(r->dma, addr))
		broken("no mapping: %s", gantry_dma_last_error());
	return addr;
}

/* Send one buffer through the device, and compare what arrives. */
void drv_roundtrip(struct rig *r, unsigned int seed);

/* Return the mempool of the device. The first call creates it and registers it with debug mode. */
struct rte_mempool *drv_pool(struct rig *r);
/* Return a frame of len bytes in an mbuf of that pool. */
struct rte_mbuf *drv_frame(struct rig *r, uint16_t len, unsigned int seed);
/* True if an mbuf holds that frame. */
bool drv_is_frame(const struct rte_mbuf *m, uint16_t len, unsigned int seed);

/* A queue of mbufs. */
struct drv_queue {
	struct rte_mbuf *sw[MINI_RING];
	gantry_dma_addr_t addr[MINI_RING];
	uint16_t len[MINI_RING];
	uint16_t tail, clean; /* free-running; slot: modulo the ring size */
};

/* Hand an mbuf over for sending. */
void drv_tx(struct rig *r, struct drv_queue *q, struct rte_mbuf *m);
/* Take back mbufs that were sent, and free them. */
void drv_tx_clean(struct rig *r, struct drv_queue *q);
/* Post n mbufs of the pool for receiving. */
void drv_rx_fill(struct rig *r, struct drv_queue *q, unsigned int n);
/* Return the next received frame, or NULL. */
struct rte_mbuf *drv_rx(struct rig *r, struct drv_queue *q);
/* Stop the device, and free posted mbufs that it did not use. */
void drv_rx_release(struct rig *r, struct drv_queue *q);

/*
 * The soft NIC (softnic.c): a separate process, whose wire is also a loop.
 */

/* Fork the process; call it before EAL starts. softnic_start() then starts port 0. */
void softnic_fork(struct rig *r);
const char *softnic_devargs(const struct rig *r);
void softnic_start(struct rig *r);
/* Stop and close the port, end the process, and record its faults. */
void softnic_end(struct rig *r);
/* Stop the wire, and let it continue. */
void softnic_hold(void);
void softnic_go(void);

#endif /* DMACHECK_H */
