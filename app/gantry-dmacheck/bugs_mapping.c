/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Mapping and unmapping: gantry_dma_map_single(), and the calls that must match it.
 */

#include <stdlib.h>
#include <sys/mman.h>

#include <rte_errno.h>

#include "dmacheck.h"

#define LEN 512

/*
 * The loop over the entries of the ring runs one too far: "<=". The entry behind the last one was
 * cleared when the ring was created, and 0 is a bus address like any other.
 */
CULPRIT void
clean_one_too_many(struct rig *r, bool fixed)
{
	struct {
		gantry_dma_addr_t addr;
		uint8_t *buf;
	} ring[5] = { 0 };
	const unsigned int used = 4;
	unsigned int i;

	for (i = 0; i < used; i++) {
		ring[i].buf = dma_buf(LEN);
		fill(ring[i].buf, LEN, i);
		ring[i].addr = drv_map(r, ring[i].buf, LEN, GANTRY_DMA_TO_DEVICE);
		nic_tx(r, ring[i].addr, LEN);
	}
	nic_kick(r);
	for (i = 0; fixed ? i < used : i <= used; i++) {
		gantry_dma_unmap_single(r->dma, ring[i].addr, LEN, GANTRY_DMA_TO_DEVICE);
		CHECK(r, i == used || nic_tx_done(r) == LEN);
		rte_free(ring[i].buf);
	}
}

/*
 * Header and data are in one buffer and mapped by one call, but the clean-up still treats them as
 * two mappings.
 */
CULPRIT void
clean_header_and_data(struct rig *r, bool fixed)
{
	const size_t hdr = 64;
	uint8_t *buf = dma_buf(LEN), *in = dma_buf(LEN);
	gantry_dma_addr_t addr, back;

	fill(buf, LEN, 1);
	addr = drv_map(r, buf, LEN, GANTRY_DMA_TO_DEVICE);
	back = drv_map(r, in, LEN, GANTRY_DMA_FROM_DEVICE);
	nic_tx(r, addr, LEN);
	nic_rx(r, back, LEN);
	nic_kick(r);
	gantry_dma_unmap_single(r->dma, addr, LEN, GANTRY_DMA_TO_DEVICE);
	if (!fixed)
		gantry_dma_unmap_single(r->dma, addr + hdr, LEN - hdr, GANTRY_DMA_TO_DEVICE);
	gantry_dma_unmap_single(r->dma, back, LEN, GANTRY_DMA_FROM_DEVICE);
	CHECK(r, nic_rx_done(r) == LEN && filled(in, LEN, 1));
	rte_free(buf);
	rte_free(in);
}

/*
 * The reset path unmaps what the completion path has already unmapped: the entry still holds the
 * address.
 */
struct tx_entry {
	gantry_dma_addr_t addr;
	size_t len;
	uint8_t *buf;
};

static void
tx_complete(struct rig *r, struct tx_entry *e, bool forget)
{
	gantry_dma_unmap_single(r->dma, e->addr, e->len, GANTRY_DMA_TO_DEVICE);
	if (forget)
		e->len = 0;
}

CULPRIT void
reset_after_completion(struct rig *r, bool fixed)
{
	struct tx_entry e = { .len = LEN, .buf = dma_buf(LEN) };

	fill(e.buf, LEN, 2);
	e.addr = drv_map(r, e.buf, LEN, GANTRY_DMA_TO_DEVICE);
	nic_tx(r, e.addr, LEN);
	nic_kick(r);
	CHECK(r, nic_tx_done(r) == LEN);
	tx_complete(r, &e, fixed);
	/* Reset: take back what is still in the ring. */
	if (e.len != 0)
		gantry_dma_unmap_single(r->dma, e.addr, e.len, GANTRY_DMA_TO_DEVICE);
	rte_free(e.buf);
	drv_roundtrip(r, 2);
}

/*
 * Two fragments of one buffer were sent as two descriptors over one mapping, and each completion
 * unmaps it.
 */
CULPRIT void
unmap_per_descriptor(struct rig *r, bool fixed)
{
	uint8_t *buf = dma_buf(LEN);
	gantry_dma_addr_t addr;
	unsigned int i;

	fill(buf, LEN, 3);
	addr = drv_map(r, buf, LEN, GANTRY_DMA_TO_DEVICE);
	nic_tx(r, addr, LEN / 2);
	nic_tx(r, addr + LEN / 2, LEN / 2);
	nic_kick(r);
	for (i = 0; i < 2; i++) {
		CHECK(r, nic_tx_done(r) == LEN / 2);
		if (!fixed || i == 1)
			gantry_dma_unmap_single(r->dma, addr, LEN, GANTRY_DMA_TO_DEVICE);
	}
	rte_free(buf);
}

/*
 * The driver maps a buffer for the longest frame, and unmaps it with the length of the frame that
 * arrived. On many machines the rest stays mapped.
 */
CULPRIT void
unmap_frame_length(struct rig *r, bool fixed)
{
	uint8_t *out = dma_buf(60), *in = dma_buf(2048);
	gantry_dma_addr_t a, b;
	int len;

	fill(out, 60, 4);
	a = drv_map(r, out, 60, GANTRY_DMA_TO_DEVICE);
	b = drv_map(r, in, 2048, GANTRY_DMA_FROM_DEVICE);
	nic_tx(r, a, 60);
	nic_rx(r, b, 2048);
	nic_kick(r);
	gantry_dma_unmap_single(r->dma, a, 60, GANTRY_DMA_TO_DEVICE);
	len = nic_rx_done(r);
	gantry_dma_unmap_single(r->dma, b, fixed ? 2048 : (size_t)RTE_MAX(len, 1),
			GANTRY_DMA_FROM_DEVICE);
	CHECK(r, len == 60 && filled(in, 60, 4));
	rte_free(out);
	rte_free(in);
}

/* The ring is coherent memory, but the driver unmaps it like a buffer. */
CULPRIT void
free_ring_as_buffer(struct rig *r, bool fixed)
{
	gantry_dma_addr_t bus;
	void *ring = gantry_dma_alloc_coherent(r->dma, 4096, &bus, SOCKET_ID_ANY);
	uint8_t got[64];

	fill(ring, 64, 5);
	nic_fetch(r, bus, got, 64);
	CHECK(r, filled(got, 64, 5));
	if (fixed)
		gantry_dma_free_coherent(r->dma, 4096, ring, bus);
	else
		gantry_dma_unmap_single(r->dma, bus, 4096, GANTRY_DMA_BIDIRECTIONAL);
}

/* The driver maps a list, and unmaps its only segment as if it had been mapped by itself. */
CULPRIT void
unmap_list_as_buffer(struct rig *r, bool fixed)
{
	uint8_t *buf = dma_buf(LEN);
	struct gantry_sg sg;

	fill(buf, LEN, 6);
	gantry_sg_set_buf(&sg, buf, LEN);
	if (gantry_dma_map_sg(r->dma, &sg, 1, GANTRY_DMA_TO_DEVICE) != 1)
		broken("no mapping: %s", gantry_dma_last_error());
	nic_tx(r, gantry_sg_dma_address(&sg), gantry_sg_dma_len(&sg));
	nic_kick(r);
	CHECK(r, nic_tx_done(r) == LEN);
	if (fixed)
		gantry_dma_unmap_sg(r->dma, &sg, 1, GANTRY_DMA_TO_DEVICE);
	else
		gantry_dma_unmap_single(r->dma, gantry_sg_dma_address(&sg), gantry_sg_dma_len(&sg),
				GANTRY_DMA_TO_DEVICE);
	rte_free(buf);
}

/*
 * Both rings share a clean-up that was written for the receive ring. With a bounce buffer, the data
 * that was sent is "received" over the buffer, which by then has another owner.
 */
CULPRIT void
clean_tx_as_rx(struct rig *r, bool fixed)
{
	uint8_t *buf = dma_buf(LEN);
	gantry_dma_addr_t addr;

	fill(buf, LEN, 7);
	addr = drv_map(r, buf, LEN, GANTRY_DMA_TO_DEVICE);
	nic_tx(r, addr, LEN);
	nic_kick(r);
	CHECK(r, nic_tx_done(r) == LEN);
	gantry_dma_unmap_single(r->dma, addr, LEN,
			fixed ? GANTRY_DMA_TO_DEVICE : GANTRY_DMA_FROM_DEVICE);
	rte_free(buf);
	drv_roundtrip(r, 7);
}

/* A command is answered in place, but unmapped as if it had only been sent. */
CULPRIT void
unmap_command_half(struct rig *r, bool fixed)
{
	uint8_t *cmd = dma_buf(LEN), got[LEN];
	gantry_dma_addr_t addr;

	fill(cmd, LEN, 8);
	addr = drv_map(r, cmd, LEN, GANTRY_DMA_BIDIRECTIONAL);
	nic_fetch(r, addr, got, LEN);
	CHECK(r, filled(got, LEN, 8));
	fill(got, LEN, 9);
	nic_store(r, addr, got, LEN);
	gantry_dma_unmap_single(r->dma, addr, LEN,
			fixed ? GANTRY_DMA_BIDIRECTIONAL : GANTRY_DMA_TO_DEVICE);
	CHECK(r, !fixed || filled(cmd, LEN, 9));
	rte_free(cmd);
}

/*
 * Bounce buffers run out in the middle of a frame, and the unwinding begins with the fragment that
 * failed instead of the one before it.
 */
CULPRIT void
unwind_from_failed(struct rig *r, bool fixed)
{
	gantry_dma_addr_t addr[8];
	uint8_t *buf[8];
	int i, failed;

	mini_bounce(r, 4);
	for (failed = 0; failed < 8; failed++) {
		buf[failed] = dma_buf(60000); /* fits only the largest size class */
		addr[failed] = gantry_dma_map_single(r->dma, buf[failed], 60000,
				GANTRY_DMA_TO_DEVICE);
		if (gantry_dma_mapping_error(r->dma, addr[failed]))
			break;
	}
	CHECK(r, failed < 8);
	for (i = fixed ? failed - 1 : failed; i >= 0; i--)
		gantry_dma_unmap_single(r->dma, addr[i], 60000, GANTRY_DMA_TO_DEVICE);
	for (i = 0; i <= failed && i < 8; i++)
		rte_free(buf[i]);
	drv_roundtrip(r, 10);
}

/* The driver checked the error and dropped the frame, but the clean-up of the entry runs anyway. */
CULPRIT void
clean_dropped_frame(struct rig *r, bool fixed)
{
	uint8_t *held[8], *buf = dma_buf(60000);
	gantry_dma_addr_t addrs[8], addr;
	bool sent = false;
	int n = 0;

	mini_bounce(r, 4);
	for (; n < 8; n++) {
		held[n] = dma_buf(60000);
		addrs[n] = gantry_dma_map_single(r->dma, held[n], 60000, GANTRY_DMA_TO_DEVICE);
		if (gantry_dma_mapping_error(r->dma, addrs[n]))
			break;
	}
	addr = gantry_dma_map_single(r->dma, buf, 60000, GANTRY_DMA_TO_DEVICE);
	if (!gantry_dma_mapping_error(r->dma, addr))
		sent = true;
	CHECK(r, !sent);
	/* Clean-up of the entry. */
	if (sent || !fixed)
		gantry_dma_unmap_single(r->dma, addr, 60000, GANTRY_DMA_TO_DEVICE);
	while (n-- > 0)
		gantry_dma_unmap_single(r->dma, addrs[n], 60000, GANTRY_DMA_TO_DEVICE);
	drv_roundtrip(r, 11);
}

/* The driver never checks, since "it cannot fail": with an IOMMU or bounce buffers it can. */
CULPRIT void
send_unchecked(struct rig *r, bool fixed)
{
	uint8_t *buf = dma_buf(LEN);
	gantry_dma_addr_t addr;

	fill(buf, LEN, 12);
	addr = gantry_dma_map_single(r->dma, buf, LEN, GANTRY_DMA_TO_DEVICE);
	if (fixed && gantry_dma_mapping_error(r->dma, addr))
		broken("no mapping: %s", gantry_dma_last_error());
	nic_tx(r, addr, LEN);
	nic_kick(r);
	CHECK(r, nic_tx_done(r) == LEN);
	gantry_dma_unmap_single(r->dma, addr, LEN, GANTRY_DMA_TO_DEVICE);
	rte_free(buf);
}

/* The driver checks the mappings of the fragments of a frame, except for the first one. */
CULPRIT void
check_last_only(struct rig *r, bool fixed)
{
	uint8_t *buf[3];
	gantry_dma_addr_t addr[3];
	int i;

	for (i = 0; i < 3; i++) {
		buf[i] = dma_buf(LEN);
		fill(buf[i], LEN, 13 + i);
		addr[i] = gantry_dma_map_single(r->dma, buf[i], LEN, GANTRY_DMA_TO_DEVICE);
		if ((fixed || i > 0) && gantry_dma_mapping_error(r->dma, addr[i]))
			broken("no mapping: %s", gantry_dma_last_error());
		nic_tx(r, addr[i], LEN);
	}
	nic_kick(r);
	for (i = 0; i < 3; i++) {
		CHECK(r, nic_tx_done(r) == LEN);
		gantry_dma_unmap_single(r->dma, addr[i], LEN, GANTRY_DMA_TO_DEVICE);
		rte_free(buf[i]);
	}
}

/* An error path frees the buffer and forgets the mapping. */
CULPRIT void
leak_on_error(struct rig *r, bool fixed)
{
	uint8_t *buf = dma_buf(LEN);
	gantry_dma_addr_t addr = drv_map(r, buf, LEN, GANTRY_DMA_TO_DEVICE);
	const bool ring_full = true;

	if (ring_full) {
		if (fixed)
			gantry_dma_unmap_single(r->dma, addr, LEN, GANTRY_DMA_TO_DEVICE);
	} else {
		nic_tx(r, addr, LEN);
	}
	drv_roundtrip(r, 16);
}

/* Closing the port unmaps what was received, but not what is still posted. */
CULPRIT void
leak_posted_at_close(struct rig *r, bool fixed)
{
	uint8_t *buf[2];
	gantry_dma_addr_t addr[2];
	int i;

	for (i = 0; i < 2; i++) {
		buf[i] = dma_buf(LEN);
		addr[i] = drv_map(r, buf[i], LEN, GANTRY_DMA_FROM_DEVICE);
	}
	nic_rx(r, addr[0], LEN);
	for (i = 0; i < (fixed ? 2 : 1); i++)
		gantry_dma_unmap_single(r->dma, addr[i], LEN, GANTRY_DMA_FROM_DEVICE);
	CHECK(r, nic_rx_done(r) == -1);
}

/* Send memory that may be invalid for DMA; the device gets nothing that cannot be mapped. */
static __rte_always_inline void
try_to_send(struct rig *r, void *ptr, size_t len)
{
	gantry_dma_addr_t addr = gantry_dma_map_single(r->dma, ptr, len, GANTRY_DMA_TO_DEVICE);

	if (gantry_dma_mapping_error(r->dma, addr))
		return;
	nic_tx(r, addr, len);
	nic_kick(r);
	CHECK(r, nic_tx_done(r) == (int)len);
	gantry_dma_unmap_single(r->dma, addr, len, GANTRY_DMA_TO_DEVICE);
}

/* The memory of the buffer was unmapped from the process before it is mapped for the device. */
CULPRIT void
map_gone(struct rig *r, bool fixed)
{
	uint8_t *gone = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);
	uint8_t *buf = dma_buf(LEN);

	munmap(gone, 4096);
	try_to_send(r, fixed ? buf : gone, LEN);
	rte_free(buf);
}

/* Registers of a device are mapped as a buffer, which requires gantry_dma_map_resource(). */
CULPRIT void
map_registers(struct rig *r, bool fixed)
{
	uint8_t *bar = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint8_t *buf = dma_buf(LEN);

	gantry_mem_mmio_add(bar, 4096);
	try_to_send(r, fixed ? buf : bar, LEN);
	gantry_mem_mmio_del(bar);
	munmap(bar, 4096);
	rte_free(buf);
}

/* A mailbox message is built on the stack, and sent from there. */
CULPRIT void
send_mailbox_from_stack(struct rig *r, bool fixed)
{
	uint8_t local[64], *buf = dma_buf(64), *msg = fixed ? buf : local;

	fill(msg, 64, 17);
	try_to_send(r, msg, 64);
	rte_free(buf);
}

/* A constant table in read-only data of the program is downloaded without a copy. */
static const uint8_t firmware[512] = { 0x7f, 'F', 'W', 1 };

CULPRIT void
download_constant(struct rig *r, bool fixed)
{
	uint8_t *buf = dma_buf(sizeof(firmware)), *got = dma_buf(sizeof(firmware));
	gantry_dma_addr_t addr;

	memcpy(buf, firmware, sizeof(firmware));
	addr = gantry_dma_map_single(r->dma, fixed ? buf : (void *)(uintptr_t)firmware,
			sizeof(firmware), GANTRY_DMA_TO_DEVICE);
	if (!gantry_dma_mapping_error(r->dma, addr)) {
		nic_fetch(r, addr, got, sizeof(firmware));
		gantry_dma_unmap_single(r->dma, addr, sizeof(firmware), GANTRY_DMA_TO_DEVICE);
		CHECK(r, memcmp(got, firmware, sizeof(firmware)) == 0);
	}
	rte_free(buf);
	rte_free(got);
}

/* "&handler" instead of "handler->buf": the device gets program text. */
CULPRIT void
map_program_text(struct rig *r, bool fixed)
{
	uint8_t *buf = dma_buf(64);

	fill(buf, 64, 18);
	try_to_send(r, fixed ? buf : (void *)(uintptr_t)map_program_text, 64);
	rte_free(buf);
}

/* Memory registered with EAL, whose pages are not contiguous in bus addresses. */
#define PAGES 4

CULPRIT void
map_scattered_external(struct rig *r, bool fixed)
{
	uint8_t *mem = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	static const unsigned int order[PAGES] = { 2, 0, 3, 1 };
	rte_iova_t iova[PAGES];
	gantry_dma_addr_t addr;
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		iova[i] = 0x100000000ull + order[i] * 4096;
	if (rte_extmem_register(mem, PAGES * 4096, iova, PAGES, 4096) != 0)
		broken("no external memory: %s", rte_strerror(rte_errno));
	/* A buffer across two pages; that of the twin is in EAL memory. */
	if (fixed) {
		drv_roundtrip(r, 19);
	} else {
		addr = gantry_dma_map_single(r->dma, mem + 1024, 4096, GANTRY_DMA_TO_DEVICE);
		if (!gantry_dma_mapping_error(r->dma, addr))
			gantry_dma_unmap_single(r->dma, addr, 4096, GANTRY_DMA_TO_DEVICE);
	}
	rte_extmem_unregister(mem, PAGES * 4096);
	munmap(mem, PAGES * 4096);
}

/* A large table on the heap: contiguous for the CPU, scattered pages for the device. */
CULPRIT void
map_heap(struct rig *r, bool fixed)
{
	const size_t len = 64 << 10;
	uint8_t *table = fixed ? dma_buf(len) : malloc(len);
	gantry_dma_addr_t addr;
	uint8_t got[64];

	fill(table, len, 20);
	addr = gantry_dma_map_single(r->dma, table, len, GANTRY_DMA_TO_DEVICE);
	if (!gantry_dma_mapping_error(r->dma, addr)) {
		nic_fetch(r, addr, got, sizeof(got));
		CHECK(r, filled(got, sizeof(got), 20));
		gantry_dma_unmap_single(r->dma, addr, len, GANTRY_DMA_TO_DEVICE);
	}
	if (fixed)
		rte_free(table);
	else
		free(table);
}

/* A command and its reply in one cache line: two mappings, of which the device writes one. */
struct request {
	uint8_t command[32];
	uint8_t reply[32];
};

struct spaced_request {
	uint8_t command[32];
	GANTRY_DMA_FROM_DEVICE_GROUP_BEGIN(reply);
	uint8_t reply[32];
	GANTRY_DMA_FROM_DEVICE_GROUP_END(reply);
};

CULPRIT void
reply_beside_command(struct rig *r, bool fixed)
{
	struct request *near = dma_buf(sizeof(*near));
	struct spaced_request *apart = dma_buf(sizeof(*apart));
	uint8_t *command = fixed ? apart->command : near->command;
	uint8_t *reply = fixed ? apart->reply : near->reply;
	gantry_dma_addr_t a, b;
	uint8_t got[32];

	fill(command, 32, 21);
	a = drv_map(r, command, 32, GANTRY_DMA_TO_DEVICE);
	b = drv_map(r, reply, 32, GANTRY_DMA_FROM_DEVICE);
	nic_fetch(r, a, got, 32);
	nic_store(r, b, got, 32);
	gantry_dma_unmap_single(r->dma, b, 32, GANTRY_DMA_FROM_DEVICE);
	gantry_dma_unmap_single(r->dma, a, 32, GANTRY_DMA_TO_DEVICE);
	CHECK(r, !fixed || filled(reply, 32, 21));
	rte_free(near);
	rte_free(apart);
}

/* Receive buffers are cut from a block with a stride that is shorter than a buffer. */
CULPRIT void
buffers_too_close(struct rig *r, bool fixed)
{
	const size_t len = 1536, stride = fixed ? 1536 : 1500;
	uint8_t *block = dma_buf(3 * 1536), *out = dma_buf(len);
	gantry_dma_addr_t rx[2], tx;
	unsigned int i;

	fill(out, len, 22);
	tx = drv_map(r, out, len, GANTRY_DMA_TO_DEVICE);
	for (i = 0; i < 2; i++) {
		rx[i] = drv_map(r, block + i * stride, len, GANTRY_DMA_FROM_DEVICE);
		nic_rx(r, rx[i], len);
	}
	nic_tx(r, tx, len);
	nic_kick(r);
	gantry_dma_unmap_single(r->dma, tx, len, GANTRY_DMA_TO_DEVICE);
	for (i = 0; i < 2; i++)
		gantry_dma_unmap_single(r->dma, rx[i], len, GANTRY_DMA_FROM_DEVICE);
	CHECK(r, nic_rx_done(r) == (int)len && filled(block, len, 22));
	rte_free(block);
	rte_free(out);
}

/*
 * The driver frees a large table while the device still uses it, and EAL returns the pages to the
 * kernel.
 */
CULPRIT void
free_table_in_use(struct rig *r, bool fixed)
{
	const size_t len = 60000; /* bytes that are mapped */
	uint8_t *table = dma_buf(8 << 20), got[64];
	gantry_dma_addr_t addr;

	fill(table, 64, 23);
	addr = drv_map(r, table, len, GANTRY_DMA_TO_DEVICE);
	nic_fetch(r, addr, got, 64);
	CHECK(r, filled(got, 64, 23));
	if (fixed)
		gantry_dma_unmap_single(r->dma, addr, len, GANTRY_DMA_TO_DEVICE);
	rte_free(table);
	if (!fixed)
		nic_fetch(r, addr, got, 64);
}

/* The time-out frees the buffer of the command; the later completion unmaps it. */
CULPRIT void
free_then_unmap(struct rig *r, bool fixed)
{
	uint8_t *cmd = dma_buf(LEN), got[64];
	gantry_dma_addr_t addr;

	fill(cmd, LEN, 24);
	addr = drv_map(r, cmd, LEN, GANTRY_DMA_TO_DEVICE);
	nic_fetch(r, addr, got, 64);
	CHECK(r, filled(got, 64, 24));
	if (!fixed)
		rte_free(cmd);
	gantry_dma_unmap_single(r->dma, addr, LEN, GANTRY_DMA_TO_DEVICE);
	if (fixed)
		rte_free(cmd);
}

static const struct bug bugs[] = {
	PLANTED(clean_one_too_many, UNMAP_UNKNOWN),
	PLANTED(clean_header_and_data, UNMAP_UNKNOWN),
	PLANTED(reset_after_completion, UNMAP_TWICE),
	PLANTED(unmap_per_descriptor, UNMAP_TWICE),
	PLANTED(unmap_frame_length, WRONG_SIZE),
	PLANTED(free_ring_as_buffer, WRONG_FUNCTION),
	PLANTED(unmap_list_as_buffer, WRONG_FUNCTION),
	PLANTED(clean_tx_as_rx, WRONG_DIRECTION),
	PLANTED(unmap_command_half, WRONG_DIRECTION),
	PLANTED(unwind_from_failed, UNMAP_ERROR),
	PLANTED(clean_dropped_frame, UNMAP_ERROR),
	PLANTED(send_unchecked, UNCHECKED),
	PLANTED(check_last_only, UNCHECKED),
	PLANTED(leak_on_error, LEAKED),
	PLANTED(leak_posted_at_close, LEAKED),
	PLANTED(map_gone, MAP_INVALID),
	PLANTED(map_registers, MAP_INVALID),
	PLANTED(send_mailbox_from_stack, MAP_STACK),
	PLANTED(download_constant, MAP_TEXT),
	PLANTED(map_program_text, MAP_TEXT),
	PLANTED(map_scattered_external, MAP_SCATTERED),
	PLANTED(map_heap, MAP_SCATTERED),
	PLANTED(reply_beside_command, OVERLAP),
	PLANTED(buffers_too_close, OVERLAP),
	PLANTED(free_then_unmap, FREED_MAPPED),
	{
			.name = "free_table_in_use",
			.misuse = GANTRY_DMA_MISUSE_FREED_MAPPED,
			.source = "planted",
			.play = free_table_in_use,
			.culprit = "free_table_in_use",
			.needs = NEEDS_HUGEPAGES,
			.faults = true,
	},
};

FAMILY(mapping, bugs, false);
