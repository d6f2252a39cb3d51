/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Bugs that only the IOMMU can detect: every call is correct, but the device gets another address
 * than the calls returned.
 */

#include "dmacheck.h"

#define LEN 600

/* The descriptor holds the CPU address, which works only if nothing translates. */
CULPRIT void
virtual_in_descriptor(struct rig *r, bool fixed)
{
	uint8_t *buf = dma_buf(LEN);
	gantry_dma_addr_t addr;

	fill(buf, LEN, 1);
	addr = drv_map(r, buf, LEN, GANTRY_DMA_TO_DEVICE);
	nic_tx(r, fixed ? addr : (uintptr_t)buf, LEN);
	nic_kick(r);
	CHECK(r, nic_tx_done(r) == LEN || !fixed);
	gantry_dma_unmap_single(r->dma, addr, LEN, GANTRY_DMA_TO_DEVICE);
	drv_roundtrip(r, 1);
	rte_free(buf);
}

/* Half of an address: the register has two halves, and the driver writes one. */
CULPRIT void
half_an_address(struct rig *r, bool fixed)
{
	uint8_t *buf = dma_buf(LEN);
	gantry_dma_addr_t addr = drv_map(r, buf, LEN, GANTRY_DMA_FROM_DEVICE);
	const gantry_dma_addr_t programmed = fixed ? addr : addr << 32;
	uint8_t *out = dma_buf(LEN);
	gantry_dma_addr_t tx;

	fill(out, LEN, 2);
	tx = drv_map(r, out, LEN, GANTRY_DMA_TO_DEVICE);
	nic_rx(r, programmed, LEN);
	nic_tx(r, tx, LEN);
	nic_kick(r);
	gantry_dma_unmap_single(r->dma, tx, LEN, GANTRY_DMA_TO_DEVICE);
	gantry_dma_unmap_single(r->dma, addr, LEN, GANTRY_DMA_FROM_DEVICE);
	CHECK(r, !fixed || (nic_rx_done(r) == LEN && filled(buf, LEN, 2)));
	rte_free(buf);
	rte_free(out);
}

/* The driver unmaps the buffer after writing the descriptor, not after the device is done. */
CULPRIT void
unmap_at_post(struct rig *r, bool fixed)
{
	uint8_t *buf = dma_buf(LEN);
	gantry_dma_addr_t addr;

	fill(buf, LEN, 3);
	addr = drv_map(r, buf, LEN, GANTRY_DMA_TO_DEVICE);
	nic_tx(r, addr, LEN);
	if (!fixed)
		gantry_dma_unmap_single(r->dma, addr, LEN, GANTRY_DMA_TO_DEVICE);
	nic_kick(r);
	CHECK(r, nic_tx_done(r) == LEN || !fixed);
	if (fixed)
		gantry_dma_unmap_single(r->dma, addr, LEN, GANTRY_DMA_TO_DEVICE);
	rte_free(buf);
}

/* A receive descriptor states 16 KiB, but its buffer has 2. A long frame runs over the end. */
CULPRIT void
descriptor_too_long(struct rig *r, bool fixed)
{
	const size_t len = 9000, room = 2048;
	uint8_t *out = dma_buf(len), *in = dma_buf(4 * 4096);
	gantry_dma_addr_t tx, rx;

	fill(out, len, 4);
	tx = drv_map(r, out, len, GANTRY_DMA_TO_DEVICE);
	rx = drv_map(r, in, room, GANTRY_DMA_FROM_DEVICE);
	nic_tx(r, tx, len);
	nic_rx(r, rx, fixed ? room : MINI_FRAME);
	nic_kick(r);
	gantry_dma_unmap_single(r->dma, tx, len, GANTRY_DMA_TO_DEVICE);
	gantry_dma_unmap_single(r->dma, rx, room, GANTRY_DMA_FROM_DEVICE);
	CHECK(r, !fixed || (nic_rx_done(r) == (int)room && filled(in, room, 4)));
	rte_free(out);
	rte_free(in);
}

/* The buffer is mapped for the device to read, but the device writes its answer into it. */
CULPRIT void
answer_in_place(struct rig *r, bool fixed)
{
	const enum gantry_dma_dir dir = fixed ? GANTRY_DMA_BIDIRECTIONAL : GANTRY_DMA_TO_DEVICE;
	uint8_t *cmd = dma_buf(LEN), got[64];
	gantry_dma_addr_t addr;

	fill(cmd, LEN, 5);
	addr = drv_map(r, cmd, LEN, dir);
	nic_fetch(r, addr, got, sizeof(got));
	CHECK(r, filled(got, sizeof(got), 5));
	fill(got, sizeof(got), 6);
	nic_store(r, addr, got, sizeof(got));
	gantry_dma_unmap_single(r->dma, addr, LEN, dir);
	CHECK(r, !fixed || filled(cmd, sizeof(got), 6));
	rte_free(cmd);
}

/* The driver frees the ring while the device still has its base. */
CULPRIT void
free_ring_in_use(struct rig *r, bool fixed)
{
	gantry_dma_addr_t bus;
	uint8_t *ring = gantry_dma_alloc_coherent(r->dma, 4096, &bus, SOCKET_ID_ANY);
	uint8_t got[16];

	if (ring == NULL)
		broken("no ring: %s", gantry_dma_last_error());
	fill(ring, sizeof(got), 7);
	if (!fixed)
		gantry_dma_free_coherent(r->dma, 4096, ring, bus);
	nic_fetch(r, bus, got, sizeof(got)); /* the device looks for descriptors */
	CHECK(r, !fixed || filled(got, sizeof(got), 7));
	if (fixed)
		gantry_dma_free_coherent(r->dma, 4096, ring, bus);
}

#define PLANTED_IOMMU(fn) \
	{ \
		.name = #fn, .misuse = CLASS_IOMMU, .source = "planted", .play = fn, \
		.culprit = #fn \
	}

static const struct bug bugs[] = {
	PLANTED_IOMMU(virtual_in_descriptor),
	PLANTED_IOMMU(half_an_address),
	PLANTED_IOMMU(unmap_at_post),
	PLANTED_IOMMU(descriptor_too_long),
	PLANTED_IOMMU(answer_in_place),
	PLANTED_IOMMU(free_ring_in_use),
};

FAMILY(iommu, bugs, false);
