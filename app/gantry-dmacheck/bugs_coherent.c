/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Coherent memory: rings, and pools of blocks that are smaller than a page.
 */

#include "dmacheck.h"

#define RING 8192

static __rte_always_inline void *
ring_alloc(struct rig *r, gantry_dma_addr_t *bus)
{
	void *ring = gantry_dma_alloc_coherent(r->dma, RING, bus, SOCKET_ID_ANY);

	if (ring == NULL)
		broken("no ring: %s", gantry_dma_last_error());
	return ring;
}

/* Check that the device sees the contents of the ring. */
static void
ring_check(struct rig *r, uint8_t *ring, gantry_dma_addr_t bus, unsigned int seed)
{
	uint8_t got[256];

	fill(ring, sizeof(got), seed);
	nic_fetch(r, bus, got, sizeof(got));
	CHECK(r, filled(got, sizeof(got), seed));
}

/* The driver moves its pointer along the ring, and frees the moved pointer. */
CULPRIT void
free_moved_pointer(struct rig *r, bool fixed)
{
	gantry_dma_addr_t bus;
	uint8_t *ring = ring_alloc(r, &bus), *next = ring;

	ring_check(r, ring, bus, 1);
	next += 256;
	gantry_dma_free_coherent(r->dma, RING, fixed ? ring : next, bus);
}

/* The driver has two rings, and frees one with the bus address of the other. */
CULPRIT void
free_crossed_rings(struct rig *r, bool fixed)
{
	gantry_dma_addr_t tx_bus, rx_bus;
	uint8_t *tx = ring_alloc(r, &tx_bus), *rx = ring_alloc(r, &rx_bus);

	ring_check(r, tx, tx_bus, 2);
	ring_check(r, rx, rx_bus, 3);
	gantry_dma_free_coherent(r->dma, RING, fixed ? tx : rx, tx_bus);
	gantry_dma_free_coherent(r->dma, RING, rx, rx_bus);
}

/* The ring has the requested size, but is freed with the default size. */
CULPRIT void
free_default_size(struct rig *r, bool fixed)
{
	gantry_dma_addr_t bus;
	uint8_t *ring = ring_alloc(r, &bus);

	ring_check(r, ring, bus, 4);
	gantry_dma_free_coherent(r->dma, fixed ? RING : 4096, ring, bus);
}

/* The port is closed without a release of its queue. */
CULPRIT void
leak_ring(struct rig *r, bool fixed)
{
	gantry_dma_addr_t bus;
	uint8_t *ring = ring_alloc(r, &bus);

	ring_check(r, ring, bus, 6);
	if (fixed)
		gantry_dma_free_coherent(r->dma, RING, ring, bus);
}

/* The driver replaced the ring by memory of its own, and releases that like the old ring. */
CULPRIT void
free_static_ring(struct rig *r, bool fixed)
{
	gantry_dma_addr_t bus;
	uint8_t *ring = ring_alloc(r, &bus), *own = dma_buf(RING);

	ring_check(r, ring, bus, 7);
	gantry_dma_free_coherent(r->dma, RING, ring, bus);
	if (!fixed)
		gantry_dma_free_coherent(r->dma, RING, own, gantry_virt_to_bus(r->dma, own));
	rte_free(own);
}

/*
 * Pools.
 */

static struct gantry_dma_pool *
pool_make(struct rig *r)
{
	struct gantry_dma_pool *pool = gantry_dma_pool_create("commands", r->dma, 64, 64, 0);

	if (pool == NULL)
		broken("no pool: %s", gantry_dma_last_error());
	return pool;
}

static __rte_always_inline uint8_t *
command(struct rig *r, struct gantry_dma_pool *pool, gantry_dma_addr_t *bus, unsigned int seed)
{
	uint8_t *cmd = gantry_dma_pool_alloc(pool, bus), got[64];

	if (cmd == NULL)
		broken("no block: %s", gantry_dma_last_error());
	fill(cmd, 64, seed);
	nic_fetch(r, *bus, got, 64);
	CHECK(r, filled(got, 64, seed));
	return cmd;
}

/* Both completion and time-out free the block of a command. */
CULPRIT void
free_command_twice(struct rig *r, bool fixed)
{
	struct gantry_dma_pool *pool = pool_make(r);
	gantry_dma_addr_t bus;
	uint8_t *cmd = command(r, pool, &bus, 8);

	gantry_dma_pool_free(pool, cmd, bus);
	if (!fixed)
		gantry_dma_pool_free(pool, cmd, bus);
	gantry_dma_pool_destroy(pool);
}

/* The pool is destroyed with a command that never completed. */
CULPRIT void
leak_command(struct rig *r, bool fixed)
{
	struct gantry_dma_pool *pool = pool_make(r);
	gantry_dma_addr_t bus;
	uint8_t *cmd = command(r, pool, &bus, 9);

	if (fixed)
		gantry_dma_pool_free(pool, cmd, bus);
	gantry_dma_pool_destroy(pool);
}

static const struct bug bugs[] = {
	PLANTED(free_moved_pointer, WRONG_CPU_ADDRESS),
	PLANTED(free_crossed_rings, WRONG_CPU_ADDRESS),
	PLANTED(free_default_size, WRONG_SIZE),
	PLANTED(leak_ring, LEAKED),
	PLANTED(free_static_ring, UNMAP_UNKNOWN),
	PLANTED(free_command_twice, UNMAP_TWICE),
	PLANTED(leak_command, LEAKED),
};

FAMILY(coherent, bugs, false);
