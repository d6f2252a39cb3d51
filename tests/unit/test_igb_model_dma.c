/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The model's DMA: through an I/O page table whose entries appear and disappear, and with fewer
 * address bits than the addresses that a driver gives it.
 *
 * The device must translate again for each access, because the driver may revoke a page between
 * two accesses. The tests show this with a trap: a page that the device is about to access is
 * protected. When the device accesses it, the SIGSEGV handler revokes another page, as a driver
 * on another core might, and lets the device continue.
 */

#include <errno.h>
#include <signal.h>

#include <linux/pci_regs.h>

#include "igb_rig.h"

#define PAGE   RIG_PAGE
#define RW     (VFU_PTE_READ | VFU_PTE_WRITE)
#define ADV_1K (IGB_SRRCTL_DESCTYPE_ADV_ONE | 1)

static uint64_t *table; /* entry i translates bus address RIG_IOVA + i pages */
static char lines[64][320];
static unsigned int nr_lines;

static void
keep_line(const char *name, const char *line)
{
	unsigned int n = __atomic_fetch_add(&nr_lines, 1, __ATOMIC_RELAXED);

	if (n < 64)
		snprintf(lines[n], sizeof(lines[n]), "%s", line);
}

/* Count the lines that contain a text. */
static unsigned int
count_lines_with(const char *what)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < nr_lines && i < 64; i++)
		n += strstr(lines[i], what) != NULL;
	return n;
}

/* An identity page table: each page stays where it was. */
static int
setup_straight(void **state)
{
	nr_lines = 0;
	rig_setup_params(state, (struct m82576_params){ .speed_mbps = 1000, .log = keep_line });
	table = rig_page_table(*state);
	return 0;
}

/*
 * Pages that are adjacent by bus address are not adjacent in memory. The driver sees its memory
 * in the order of bus addresses, so that nothing else in this file depends on the mapping.
 */
static int
setup_scattered(void **state)
{
	struct rig *g;

	setup_straight(state);
	g = *state;
	munmap(g->mem, RIG_MEM);
	g->mem = mmap(NULL, RIG_MEM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(g->mem, MAP_FAILED);
	for (unsigned int i = 0; i < RIG_PAGES; i++) {
		unsigned int to = (i * 769 + 5) % RIG_PAGES; /* 769 is odd: each page once */

		table[i] = (RIG_IOVA + to * PAGE) | RW;
		assert_ptr_not_equal(mmap(g->mem + i * PAGE, PAGE, PROT_READ | PROT_WRITE,
						     MAP_SHARED | MAP_FIXED, g->memfd,
						     (off_t)to * PAGE),
				MAP_FAILED);
	}
	return 0;
}

static int
teardown(void **state)
{
	munmap(table, RIG_PAGES * 8);
	return rig_teardown(state);
}

static uint64_t
faults(struct rig *g)
{
	struct m82576_stats st;

	m82576_get_stats(g->m, &st);
	return st.dma_faults;
}

static uint64_t
tx_bad(struct rig *g)
{
	struct m82576_stats st;

	m82576_get_stats(g->m, &st);
	return st.tx_bad;
}

static uint64_t *
entry_of(const void *p, struct rig *g)
{
	return &table[((const uint8_t *)p - g->mem) / PAGE];
}

/* Revoke a page as a driver does: clear the entry, then issue a full fence. */
static void
revoke_page(uint64_t *entry)
{
	__atomic_store_n(entry, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* The trap. */

static struct {
	uint8_t *page;
	uint64_t *entry;
	unsigned int sprung;
	const volatile union igb_rx_desc *watched; /* NULL: none */
	bool was_done;                             /* the watched descriptor, when it sprang */
	struct sigaction before;
} trap;

static void
spring(int sig, siginfo_t *info, void *context)
{
	uint8_t *at = info->si_addr;

	if (at < trap.page || at >= trap.page + PAGE)
		_exit(99);
	revoke_page(trap.entry);
	if (trap.watched != NULL)
		trap.was_done = trap.watched->wb.staterr & IGB_RXD_STAT_DD;
	trap.sprung++;
	mprotect(trap.page, PAGE, PROT_READ | PROT_WRITE);
}

static void
find_memory(void *arg, const struct vfu_dma_entry *e)
{
	if (e->iova == RIG_IOVA)
		*(uint8_t **)arg = e->vaddr;
}

/*
 * Arm the trap: when the device makes an access to the page of p that prot does not permit, the
 * handler revokes "entry". The page table is straight, so the offset of a page in the driver's
 * memory is also its offset in the server's mapping of that memory.
 */
static void
set_trap(struct rig *g, const void *p, int prot, uint64_t *entry)
{
	struct sigaction sa = { .sa_sigaction = spring, .sa_flags = SA_SIGINFO };

	trap.page = NULL;
	vfu_server_dma_for_each(m82576_server(g->m), find_memory, &trap.page);
	assert_non_null(trap.page);
	trap.page += ((const uint8_t *)p - g->mem) / PAGE * PAGE;
	trap.entry = entry;
	trap.sprung = 0;
	trap.watched = NULL;
	assert_int_equal(sigaction(SIGSEGV, &sa, &trap.before), 0);
	assert_int_equal(mprotect(trap.page, PAGE, prot), 0);
}

static void
assert_sprung(void)
{
	sigaction(SIGSEGV, &trap.before, NULL);
	assert_int_equal(trap.sprung, 1);
}

/* Traffic. */

static void
pattern(uint8_t *p, uint32_t len, unsigned int seed)
{
	for (uint32_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 31 + (i >> 8) + seed);
}

/* Rings and buffers that cross pages: every byte arrives where it belongs. */
static void
scattered_pages_receive_and_transmit_every_byte(void **state)
{
	struct rig *g = *state;
	static uint8_t f[9000];
	struct m82576_frame fr;
	uint64_t before;

	rig_rx_start(g, 0, RIG_ADV);
	/* Move the ring to where it crosses a page, with buffers that also cross one. */
	rig_wr(g, IGB_RXDCTL(0), 0);
	rig_wr(g, IGB_RDBAL(0), (uint32_t)(RIG_IOVA + PAGE - 512));
	for (uint32_t i = 0; i < RIG_DESCS; i++) {
		union igb_rx_desc *d = (void *)(g->mem + PAGE - 512 + i * 16);

		d->read.pkt_addr = RIG_IOVA + RIG_RXBUF + i * 2 * PAGE + PAGE - 100;
		d->read.hdr_addr = 0;
	}
	rig_wr(g, IGB_RDH(0), 0);
	rig_wr(g, IGB_RDT(0), RIG_DESCS - 1);
	rig_wr(g, IGB_RXDCTL(0), IGB_DCTL_ENABLE);
	rig_rx_on(g, IGB_RCTL_SECRC);
	before = faults(g);
	for (uint32_t i = 0; i < RIG_DESCS - 1; i++) {
		uint32_t len = 60 + i * 22;

		pattern(f, len, i);
		rig_eth(f, rig_mac, 0x88B5);
		assert_int_equal(rig_send_in(g, f, len, 0), 1);
		assert_memory_equal(g->mem + RIG_RXBUF + i * 2 * PAGE + PAGE - 100, f, len);
		assert_int_equal(((union igb_rx_desc *)(g->mem + PAGE - 512 + i * 16))->wb.length,
				len);
	}

	rig_tx_start(g, 0);
	for (uint32_t i = 0; i < 100; i++) {
		uint32_t len = 60 + i * 80;
		volatile union igb_tx_desc *d = rig_txd(g, 0, g->tx_next++);
		uint32_t at = RIG_TXBUF + i * 20000 + 1; /* in up to three pages */

		pattern(f, len, i);
		memcpy(g->mem + at, f, len);
		d->data.addr = RIG_IOVA + at;
		d->data.cmd_type_len = RIG_LAST | IGB_TXD_DTYP_DATA | IGB_TXD_DEXT | len;
		d->data.olinfo = len << 14;
		rig_ring_bell(g);
		assert_int_equal(rig_take(g, &fr), 1);
		assert_int_equal(fr.len, len);
		assert_memory_equal(fr.data, f, len);
		assert_int_equal(d->wb.status, IGB_TXD_STAT_DD);
	}
	assert_int_equal(faults(g), before);
	assert_int_equal(nr_lines, 1); /* the line of the client that attached */
}

/* Receive. */

#define GOOD (IGB_RXD_STAT_DD | IGB_RXD_STAT_EOP)

static uint32_t
status(struct rig *g, unsigned int i)
{
	return rig_rxd(g, 0, i)->wb.staterr & (GOOD | IGB_RXD_ERR_RXE);
}

/*
 * Put each buffer into a separate page, so that a test can revoke one buffer. By default about
 * sixteen buffers share a page of the driver.
 */
static void
rx_start_apart(struct rig *g, uint32_t srrctl)
{
	rig_rx_start(g, 0, srrctl);
	for (uint32_t i = 0; i < RIG_DESCS; i++)
		rig_rxd(g, 0, i)->read.pkt_addr = RIG_IOVA + RIG_RXBUF + i * PAGE;
	memset(g->mem + RIG_RXBUF, 0xee, RIG_DESCS * PAGE);
	rig_rx_on(g, IGB_RCTL_LPE);
	rig_wr(g, IGB_RLPML, IGB_MAX_FRAME);
}

static uint8_t *
rx_page(struct rig *g, unsigned int i)
{
	return g->mem + RIG_RXBUF + i * PAGE;
}

static void
assert_untouched(const uint8_t *p, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(p[i], 0xee);
}

/* Revoke a buffer that the device knows already, from a descriptor that it has prefetched. */
static void
rx_buffer_without_entry_is_a_fault_and_untouched(void **state)
{
	struct rig *g = *state;
	uint8_t f[60] = { 0 };
	uint64_t before, kept;

	rig_eth(f, rig_mac, 0x88B5);
	rx_start_apart(g, RIG_ADV);
	before = faults(g);
	assert_int_equal(rig_send_in(g, f, 60, 0), 1);
	kept = *entry_of(rx_page(g, 3), g);
	revoke_page(entry_of(rx_page(g, 3), g));
	*entry_of(rx_page(g, 5), g) &= ~VFU_PTE_WRITE;
	for (unsigned int i = 1; i < 8; i++)
		assert_int_equal(rig_send_in(g, f, 60, 0), 1);
	for (unsigned int i = 0; i < 8; i++) {
		bool lost = i == 3 || i == 5;

		assert_int_equal(status(g, i), lost ? GOOD | IGB_RXD_ERR_RXE : GOOD);
		if (lost)
			assert_untouched(rx_page(g, i), PAGE);
		else
			assert_memory_equal(rx_page(g, i), f, 60);
	}
	assert_int_equal(faults(g) - before, 2);
	assert_int_equal(count_lines_with("(no entry in the page table)"), 1);
	assert_int_equal(count_lines_with("(not for writing by the page table)"), 1);
	/*
	 * A further fault is counted, but reported once per client. A restored entry takes
	 * effect at once.
	 */
	revoke_page(entry_of(rx_page(g, 8), g));
	assert_int_equal(rig_send_in(g, f, 60, 0), 1);
	*entry_of(rx_page(g, 8), g) = kept;
	assert_int_equal(rig_send_in(g, f, 60, 0), 1);
	assert_int_equal(status(g, 9), GOOD);
	assert_int_equal(faults(g) - before, 3);
	assert_int_equal(nr_lines, 3);
}

/* The status of configuration space has a DMA fault until a one clears it. */
static void
fault_is_a_master_abort_until_cleared(void **state)
{
	struct rig *g = *state;
	uint8_t f[60] = { 0 };

	rig_eth(f, rig_mac, 0x88B5);
	rx_start_apart(g, RIG_ADV);
	revoke_page(entry_of(rx_page(g, 1), g));
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(rig_cfg_rd(g, PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
		assert_int_equal(rig_send_in(g, f, 60, 0), 1);
	}
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(rig_cfg_rd(g, PCI_STATUS, 2),
				PCI_STATUS_CAP_LIST | PCI_STATUS_REC_MASTER_ABORT);
	/* Zeros and the ones of other bits leave it. A write that begins before it clears it. */
	rig_cfg_wr(g, PCI_STATUS, (uint16_t)~PCI_STATUS_REC_MASTER_ABORT, 2);
	rig_cfg_wr(g, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	assert_int_equal(rig_cfg_rd(g, PCI_STATUS, 2),
			PCI_STATUS_CAP_LIST | PCI_STATUS_REC_MASTER_ABORT);
	rig_cfg_wr(g, PCI_COMMAND,
			PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_STATUS_REC_MASTER_ABORT << 16,
			4);
	assert_int_equal(rig_cfg_rd(g, PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
	/* The next fault is another one. */
	revoke_page(entry_of(rx_page(g, 2), g));
	assert_int_equal(rig_send_in(g, f, 60, 0), 1);
	assert_int_equal(rig_cfg_rd(g, PCI_STATUS, 2),
			PCI_STATUS_CAP_LIST | PCI_STATUS_REC_MASTER_ABORT);
}

/* A frame fills several buffers. While the device writes the first, the second is revoked. */
static void
rx_buffer_revoked_while_another_is_written_is_untouched(void **state)
{
	struct rig *g = *state;
	static uint8_t f[2500];
	uint64_t before;

	rig_eth(f, rig_mac, 0x88B5);
	rx_start_apart(g, ADV_1K);
	before = faults(g);
	set_trap(g, rx_page(g, 0), PROT_READ, entry_of(rx_page(g, 1), g));
	assert_int_equal(rig_send_in(g, f, sizeof(f), 0), 1);
	assert_sprung();
	assert_memory_equal(rx_page(g, 0), f, 1024);
	assert_untouched(rx_page(g, 1), PAGE);
	assert_int_equal(faults(g) - before, 1);
	assert_true(status(g, 2) & IGB_RXD_ERR_RXE);
}

/* A buffer consists of two pages. While the device writes the first page, the second is revoked. */
static void
second_page_of_rx_buffer_revoked_during_write_is_untouched(void **state)
{
	struct rig *g = *state;
	static uint8_t f[2000];

	rig_eth(f, rig_mac, 0x88B5);
	rx_start_apart(g, RIG_ADV);
	/*
	 * The two pages must not be adjacent in memory, or the device would make one access to
	 * both.
	 */
	*entry_of(rx_page(g, 1), g) = (RIG_IOVA + RIG_RXBUF + 70 * PAGE) | RW;
	rig_rxd(g, 0, 0)->read.pkt_addr = RIG_IOVA + RIG_RXBUF + 1000 + 2 * 1024;
	memset(rx_page(g, 70), 0xee, PAGE);
	set_trap(g, rx_page(g, 0), PROT_READ, entry_of(rx_page(g, 1), g));
	assert_int_equal(rig_send_in(g, f, sizeof(f), 0), 1);
	assert_sprung();
	assert_untouched(rx_page(g, 70), PAGE);
	assert_untouched(rx_page(g, 1), PAGE);
	assert_int_equal(status(g, 0), GOOD | IGB_RXD_ERR_RXE);
}

/*
 * Place the ring 512 bytes before a page's end: descriptors from number 32 on are in the next
 * page.
 */
static void
rx_start_across(struct rig *g)
{
	rig_rx_start(g, 0, RIG_ADV);
	rig_wr(g, IGB_RXDCTL(0), 0);
	memcpy(g->mem + PAGE - 512, g->mem + RIG_RXRING, RIG_DESCS * 16);
	rig_wr(g, IGB_RDBAL(0), (uint32_t)(RIG_IOVA + PAGE - 512));
	rig_wr(g, IGB_RDH(0), 0);
	rig_wr(g, IGB_RDT(0), RIG_DESCS - 1);
	rig_wr(g, IGB_RXDCTL(0), IGB_DCTL_ENABLE);
	rig_rx_on(g, 0);
}

static volatile union igb_rx_desc *
across(struct rig *g, unsigned int i)
{
	return (void *)(g->mem + PAGE - 512 + i * 16);
}

/*
 * The device holds back 40 write-backs. While it writes the first, the ring's second page is
 * revoked.
 */
static void
rx_write_backs_stop_at_a_revoked_ring_page(void **state)
{
	struct rig *g = *state;
	uint8_t f[60] = { 0 };
	struct m82576_frame fr = { .data = f, .len = sizeof(f) };
	uint64_t before, kept = table[1];

	rig_eth(f, rig_mac, 0x88B5);
	rx_start_across(g);
	before = faults(g);
	for (unsigned int i = 0; i < 40; i++)
		assert_int_equal(m82576_rx(g->m, &fr, 1, false), 1);
	assert_false(across(g, 0)->wb.staterr & IGB_RXD_STAT_DD);
	set_trap(g, g->mem, PROT_READ, &table[1]);
	m82576_rx_flush(g->m);
	vfu_rcu_quiescent();
	assert_sprung();
	for (unsigned int i = 0; i < 40; i++) {
		if (i < 32)
			assert_true(across(g, i)->wb.staterr & IGB_RXD_STAT_DD);
		else
			assert_int_equal(across(g, i)->read.hdr_addr, 0);
	}
	assert_int_equal(faults(g) - before, 8);
	assert_int_equal(count_lines_with("the queue stops"), 1);
	/* The queue has stopped, and continues when it is enabled again. */
	table[1] = kept;
	rig_send_in(g, f, 60, 0);
	assert_int_equal(across(g, 40)->read.hdr_addr, 0);
	rig_wr(g, IGB_RXDCTL(0), 0);
	rx_start_across(g);
	rig_send_in(g, f, 60, 0);
	assert_true(across(g, 0)->wb.staterr & IGB_RXD_STAT_DD);
}

/* Without a page table: the last descriptor of a burst is done before the first one is. */
static void
burst_is_written_from_its_end(void **state)
{
	struct rig *g = *state;
	uint8_t f[60] = { 0 };
	struct m82576_frame fr = { .data = f, .len = sizeof(f) };
	uint64_t no_entry;

	rig_eth(f, rig_mac, 0x88B5);
	rx_start_across(g);
	for (unsigned int i = 0; i < 40; i++)
		assert_int_equal(m82576_rx(g->m, &fr, 1, false), 1);
	set_trap(g, g->mem, PROT_READ, &no_entry);
	trap.watched = across(g, 39);
	m82576_rx_flush(g->m);
	vfu_rcu_quiescent();
	assert_sprung();
	assert_true(trap.was_done);
	for (unsigned int i = 0; i < 40; i++)
		assert_true(across(g, i)->wb.staterr & IGB_RXD_STAT_DD);
}

/*
 * The whole ring is revoked while a write-back is held back; then the ring is revoked for
 * reading.
 */
static void
rx_queue_stops_when_its_ring_is_revoked(void **state)
{
	struct rig *g = *state;
	uint8_t f[60] = { 0 };
	struct m82576_frame fr = { .data = f, .len = sizeof(f) };
	uint64_t kept = table[0];

	rig_eth(f, rig_mac, 0x88B5);
	rig_rx_start(g, 0, RIG_ADV);
	rig_rx_on(g, 0);
	assert_int_equal(m82576_rx(g->m, &fr, 1, false), 1);
	revoke_page(&table[0]);
	m82576_rx_flush(g->m);
	vfu_rcu_quiescent();
	assert_int_equal(rig_rxd(g, 0, 0)->read.hdr_addr, 0);
	assert_int_equal(count_lines_with("cannot write 0x4000000000 (no entry in the page table): "
					  "receive queue 0, ring at 0x4000000000: the queue stops"),
			1);

	rig_wr(g, IGB_RXDCTL(0), 0);
	rig_rx_start(g, 0, RIG_ADV);
	rig_send_in(g, f, 60, 0);
	assert_int_equal(count_lines_with("cannot read 0x4000000000"), 1);
	/* A ring that may only be read is enough to receive a frame, but not to report it. */
	table[0] = kept & ~VFU_PTE_WRITE;
	rig_wr(g, IGB_RXDCTL(0), 0);
	rig_rx_start(g, 0, RIG_ADV);
	rig_send_in(g, f, 60, 0);
	assert_memory_equal(rig_rxbuf(g, 0, 0), f, 60);
	assert_int_equal(rig_rxd(g, 0, 0)->read.hdr_addr, 0);
	assert_int_equal(count_lines_with("not for writing by the page table): receive queue 0, "
					  "ring"),
			1);
}

/* Transmit. */

static uint8_t *
tx_page(struct rig *g, unsigned int i)
{
	return g->mem + RIG_TXBUF + i * PAGE;
}

/* Post one descriptor for the beginning of a page. */
static void
post(struct rig *g, unsigned int page, uint32_t len, uint32_t cmd)
{
	volatile union igb_tx_desc *d = rig_txd(g, 0, g->tx_next++);

	d->data.addr = RIG_IOVA + RIG_TXBUF + page * PAGE;
	d->data.cmd_type_len = cmd | IGB_TXD_DTYP_DATA | IGB_TXD_DEXT | len;
	d->data.olinfo = len << 14;
}

static void
tx_buffer_without_entry_loses_its_frame_and_is_reported_done(void **state)
{
	struct rig *g = *state;
	struct m82576_frame fr;
	uint64_t before = faults(g);

	rig_tx_start(g, 0);
	for (unsigned int i = 0; i < 8; i++) {
		pattern(tx_page(g, i), 64, i);
		post(g, i, 64, RIG_LAST);
	}
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 1); /* the device has read all eight descriptors */
	revoke_page(entry_of(tx_page(g, 3), g));
	*entry_of(tx_page(g, 5), g) &= ~VFU_PTE_READ;
	for (unsigned int i = 1; i < 8; i++) {
		if (i == 3 || i == 5)
			continue;
		assert_int_equal(rig_take(g, &fr), 1);
		assert_memory_equal(fr.data, tx_page(g, i), 64);
	}
	assert_int_equal(rig_take(g, &fr), 0);
	assert_int_equal(faults(g) - before, 2);
	assert_int_equal(tx_bad(g), 2);
	assert_int_equal(rig_rd(g, IGB_HTDPMC), 2);
	assert_int_equal(count_lines_with("cannot read 0x4000403000 (no entry in the page table): "
					  "transmit queue 0, descriptor 3, a buffer of 64 bytes"),
			1);
	assert_int_equal(count_lines_with("(not for reading by the page table)"), 1);
	/* The device reports them as done nevertheless: the driver gets its buffers back. */
	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(rig_txd(g, 0, i)->wb.status, IGB_TXD_STAT_DD);
}

/*
 * A frame consists of three buffers. While the device reads the first, the third is revoked: no
 * frame.
 */
static void
tx_buffer_revoked_while_another_is_read_loses_the_frame(void **state)
{
	struct rig *g = *state;
	struct m82576_frame fr;

	rig_tx_start(g, 0);
	for (unsigned int i = 0; i < 3; i++)
		post(g, i, 500, i == 2 ? RIG_LAST : IGB_TXD_IFCS);
	rig_ring_bell(g);
	set_trap(g, tx_page(g, 0), PROT_NONE, entry_of(tx_page(g, 2), g));
	assert_int_equal(rig_take(g, &fr), 0);
	assert_sprung();
	assert_int_equal(tx_bad(g), 1);
	assert_int_equal(count_lines_with("descriptor 2"), 1);
	post(g, 1, 100, RIG_LAST);
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 1);
}

/* See rx_write_backs_stop_at_a_revoked_ring_page(). */
static void
tx_write_backs_stop_at_a_revoked_ring_page(void **state)
{
	struct rig *g = *state;
	const uint32_t ring = RIG_TXRING + PAGE - 256;
	volatile union igb_tx_desc *d = (void *)(g->mem + ring);
	struct m82576_frame fr;
	uint64_t before = faults(g);

	rig_tx_start(g, 0);
	rig_wr(g, IGB_TXDCTL(0), 0);
	rig_wr(g, IGB_TDBAL(0), (uint32_t)(RIG_IOVA + ring));
	rig_wr(g, IGB_TDH(0), 0);
	rig_wr(g, IGB_TXDCTL(0), IGB_DCTL_ENABLE);
	for (unsigned int i = 0; i < 24; i++) {
		d[i].data.addr = RIG_IOVA + RIG_TXBUF;
		d[i].data.cmd_type_len = RIG_LAST | IGB_TXD_DTYP_DATA | IGB_TXD_DEXT | 64;
		d[i].data.olinfo = 64u << 14;
	}
	rig_tdt(g, 0, 24);
	for (unsigned int i = 0; i < 24; i++)
		assert_int_equal(rig_next(g, &fr), 1);
	set_trap(g, g->mem + ring, PROT_READ, entry_of(g->mem + ring + PAGE, g));
	m82576_tx_flush(g->m);
	vfu_rcu_quiescent();
	assert_sprung();
	for (unsigned int i = 0; i < 24; i++)
		assert_int_equal(!!(d[i].wb.status & IGB_TXD_STAT_DD), i < 16);
	assert_int_equal(faults(g) - before, 8);
	assert_int_equal(count_lines_with("the queue stops"), 1);
}

/* Head write-back instead of DD (7.2.3), to a page that has been revoked. */
static void
tx_queue_stops_when_its_head_write_back_page_is_revoked(void **state)
{
	struct rig *g = *state;
	uint32_t *head = (uint32_t *)(g->mem + 0x700000);
	struct m82576_frame fr;

	*head = 0x12345678;
	rig_tx_start(g, 0);
	rig_wr(g, IGB_TXDCTL(0), 0);
	rig_wr(g, IGB_TDWBAL(0), (uint32_t)(RIG_IOVA + 0x700000) | 1);
	rig_wr(g, IGB_TDWBAH(0), (uint32_t)(RIG_IOVA >> 32));
	rig_wr(g, IGB_TXDCTL(0), IGB_DCTL_ENABLE);
	post(g, 0, 64, RIG_LAST);
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(*head, 1);
	revoke_page(entry_of(head, g));
	post(g, 0, 64, RIG_LAST);
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(*head, 1);
	assert_int_equal(count_lines_with("the queue stops"), 1);
}

/* Address bits. */

static int
setup_bits(void **state, unsigned int bits)
{
	struct rig *g;

	nr_lines = 0;
	rig_setup_params(state,
			(struct m82576_params){
					.speed_mbps = 1000,
					.log = keep_line,
					.addr_bits = bits,
			});
	g = *state;
	/* The addresses that the driver gives differ from those at which the memory is mapped. */
	vfu_rcu_offline();
	assert_int_equal(vfu_client_dma_unmap(g->c, RIG_IOVA, RIG_MEM), 0);
	assert_int_equal(vfu_client_dma_map(g->c, g->memfd, 0, 0, RIG_MEM,
					 VFU_DMA_READ | VFU_DMA_WRITE),
			0);
	vfu_rcu_online();
	return 0;
}

static int
setup_24(void **state)
{
	return setup_bits(state, 24);
}

static int
setup_32(void **state)
{
	return setup_bits(state, 32);
}

static int
setup_64(void **state)
{
	return setup_bits(state, 64);
}

static uint32_t
vendor_bits(struct rig *g)
{
	uint32_t at;

	for (at = rig_cfg_rd(g, 0x34, 1); at != 0; at = rig_cfg_rd(g, at + 1, 1)) {
		if (rig_cfg_rd(g, at, 1) == IGB_VNDR_CAP_ID)
			return rig_cfg_rd(g, at + IGB_VNDR_CAP_ADDR_BITS, 4);
	}
	return 0;
}

/*
 * The device drops address bits above 31, so rings, buffers and head write-back are all at low
 * addresses, where the memory is mapped.
 */
static void
address_bits_above_31_are_dropped(void **state)
{
	struct rig *g = *state;
	uint32_t *head = (uint32_t *)(g->mem + 0x700000);
	struct m82576_frame fr;
	uint8_t f[60] = { 0 };

	assert_int_equal(vendor_bits(g), 32);
	rig_eth(f, rig_mac, 0x88B5);
	rig_rx_start(g, 0, RIG_ADV);
	rig_rx_on(g, 0);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(rig_send_in(g, f, 60, 0), 1);
		assert_int_equal(status(g, i), GOOD);
		assert_memory_equal(rig_rxbuf(g, 0, i), f, 60);
	}
	rig_tx_start(g, 0);
	pattern(tx_page(g, 0), 64, 1);
	post(g, 0, 64, RIG_LAST);
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_memory_equal(fr.data, tx_page(g, 0), 64);
	assert_int_equal(rig_txd(g, 0, 0)->wb.status, IGB_TXD_STAT_DD);
	rig_wr(g, IGB_TXDCTL(0), 0);
	rig_tx_start(g, 0);
	rig_wr(g, IGB_TXDCTL(0), 0);
	rig_wr(g, IGB_TDWBAL(0), 0x700000 | 1);
	rig_wr(g, IGB_TDWBAH(0), 0xABCD);
	rig_wr(g, IGB_TXDCTL(0), IGB_DCTL_ENABLE);
	post(g, 0, 64, RIG_LAST);
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(*head, 1);
	assert_int_equal(faults(g), 0);
}

/* A device with all address bits finds nothing at the same addresses. */
static void
all_64_address_bits_are_used(void **state)
{
	struct rig *g = *state;
	uint8_t f[60] = { 0 };

	assert_int_equal(vendor_bits(g), 64);
	rig_eth(f, rig_mac, 0x88B5);
	rig_rx_start(g, 0, RIG_ADV);
	rig_rx_on(g, 0);
	rig_send_in(g, f, 60, 0);
	assert_int_equal(faults(g), 1);
	assert_int_equal(count_lines_with("cannot read 0x4000000000 (not mapped)"), 1);
}

/* A buffer across the highest address that the device can drive: address 0 follows. */
static void
buffer_wraps_at_the_highest_address(void **state)
{
	struct rig *g = *state;
	const uint32_t last = 0x7F0000; /* offset in memory of the page at 0xFFF000 */
	uint8_t f[60], want[60];
	struct m82576_frame fr;

	assert_int_equal(vendor_bits(g), 24);
	vfu_rcu_offline();
	assert_int_equal(vfu_client_dma_map(g->c, g->memfd, last, 0xFFF000, PAGE,
					 VFU_DMA_READ | VFU_DMA_WRITE),
			0);
	vfu_rcu_online();
	rig_tx_start(g, 0);
	/* The ring at 0 would overlap the buffer. */
	rig_wr(g, IGB_TXDCTL(0), 0);
	rig_wr(g, IGB_TDBAL(0), (uint32_t)(RIG_IOVA + RIG_TXRING));
	rig_wr(g, IGB_TXDCTL(0), IGB_DCTL_ENABLE);
	pattern(want, 60, 9);
	memcpy(g->mem + last + PAGE - 16, want, 16);
	memcpy(g->mem, want + 16, 44);
	rig_txd(g, 0, 0)->data.addr = 0x1234000000FFFFF0;
	rig_txd(g, 0, 0)->data.cmd_type_len = RIG_LAST | IGB_TXD_DTYP_DATA | IGB_TXD_DEXT | 60;
	rig_txd(g, 0, 0)->data.olinfo = 60u << 14;
	g->tx_next = 1;
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(fr.len, 60);
	assert_memory_equal(fr.data, want, 60);

	rig_eth(f, rig_mac, 0x88B5);
	pattern(f + 14, 46, 3);
	rig_rx_start(g, 0, RIG_ADV);
	rig_wr(g, IGB_RXDCTL(0), 0);
	memcpy(g->mem + 0x10000, g->mem + RIG_RXRING, RIG_DESCS * 16);
	rig_wr(g, IGB_RDBAL(0), 0x10000);
	rig_wr(g, IGB_RDH(0), 0);
	rig_wr(g, IGB_RXDCTL(0), IGB_DCTL_ENABLE);
	((union igb_rx_desc *)(g->mem + 0x10000))->read.pkt_addr = 0xFFFFE0;
	rig_rx_on(g, 0);
	assert_int_equal(rig_send_in(g, f, 60, 0), 1);
	assert_memory_equal(g->mem + last + PAGE - 32, f, 32);
	assert_memory_equal(g->mem, f + 32, 28);
	assert_int_equal(faults(g), 0);
}

static void
invalid_number_of_address_bits_is_refused(void **state)
{
	static const unsigned int bad[] = { 1, 23, 65, 4096, ~0u };
	struct m82576_params p = { .name = "t0", .socket = "/tmp/igb-test-none.sock" };
	struct m82576 *m;
	char err[VFU_ERR_LEN];

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		p.addr_bits = bad[i];
		assert_int_equal(m82576_create(&p, &m, err), -EINVAL);
		assert_non_null(strstr(err, "address bits"));
		assert_null(m);
	}
}

int
main(void)
{
#define S(f) cmocka_unit_test_setup_teardown(f, setup_straight, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(scattered_pages_receive_and_transmit_every_byte,
				setup_scattered, teardown),
		S(rx_buffer_without_entry_is_a_fault_and_untouched),
		S(fault_is_a_master_abort_until_cleared),
		S(rx_buffer_revoked_while_another_is_written_is_untouched),
		S(second_page_of_rx_buffer_revoked_during_write_is_untouched),
		S(rx_write_backs_stop_at_a_revoked_ring_page),
		S(rx_queue_stops_when_its_ring_is_revoked),
		cmocka_unit_test_setup_teardown(burst_is_written_from_its_end, rig_setup,
				rig_teardown),
		S(tx_buffer_without_entry_loses_its_frame_and_is_reported_done),
		S(tx_buffer_revoked_while_another_is_read_loses_the_frame),
		S(tx_write_backs_stop_at_a_revoked_ring_page),
		S(tx_queue_stops_when_its_head_write_back_page_is_revoked),
		cmocka_unit_test_setup_teardown(address_bits_above_31_are_dropped, setup_32,
				rig_teardown),
		cmocka_unit_test_setup_teardown(all_64_address_bits_are_used, setup_64,
				rig_teardown),
		cmocka_unit_test_setup_teardown(buffer_wraps_at_the_highest_address, setup_24,
				rig_teardown),
		cmocka_unit_test(invalid_number_of_address_bits_is_refused),
	};

	return cmocka_run_group_tests_name("igb_model_dma", tests, NULL, NULL);
}
