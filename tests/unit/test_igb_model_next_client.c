/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A client changes everything that it can change, and leaves. The next client must find a
 * device in its initial state: nothing that it reads, sends or receives may contain a byte or
 * an event of the former client.
 *
 * No difference is permitted. (Counters that continue, as those of statistics files do, belong
 * to the daemon, not to the device.)
 */

#include "igb_rig.h"

/* The byte that marks the former client's data. Tenants do not share these bytes. */
#define SECRET 0xA5

struct snapshot {
	uint8_t config[4096];
	uint8_t msix[IGB_BAR3_SIZE], io[8], flash[4096];
	uint8_t bar0[IGB_BAR0_SIZE];
	uint16_t nvm[M82576_NVM_WORDS], phy[M82576_PHY_REGS];
	uint8_t pages[2][RIG_PAGE]; /* the queue pages as the client maps them */
	uint32_t eecd[17];
};

static void
region_read(struct rig *g, unsigned int region, uint64_t offset, void *buf, size_t len)
{
	vfu_rcu_offline();
	assert_int_equal(vfu_client_region_read(g->c, region, offset, buf, len), 0);
	vfu_rcu_online();
}

static void
region_write(struct rig *g, unsigned int region, uint64_t offset, const void *buf, size_t len)
{
	vfu_rcu_offline();
	assert_int_equal(vfu_client_region_write(g->c, region, offset, buf, len), 0);
	vfu_rcu_online();
}

static uint32_t
mdic(struct rig *g, uint32_t reg, uint32_t op)
{
	rig_wr(g, IGB_MDIC, op | reg << IGB_MDIC_REG_SHIFT | 1u << IGB_MDIC_PHY_SHIFT);
	return rig_rd(g, IGB_MDIC);
}

static void
spi_bits(struct rig *g, uint32_t data, unsigned int bits)
{
	while (bits-- > 0) {
		uint32_t di = data >> bits & 1 ? IGB_EECD_DI : 0;

		rig_wr(g, IGB_EECD, IGB_EECD_REQ | di);
		rig_wr(g, IGB_EECD, IGB_EECD_REQ | di | IGB_EECD_SK);
	}
}

/*
 * Read everything that a client can read, always in the same order, because many reads have
 * side effects.
 */
static void
take_snapshot(struct rig *g, struct snapshot *s)
{
	memset(s, 0, sizeof(*s));
	memcpy(s->pages[0], g->bar + IGB_RXQ_BASE, RIG_PAGE);
	memcpy(s->pages[1], g->bar + IGB_TXQ_BASE, RIG_PAGE);
	region_read(g, 7, 0, s->config, sizeof(s->config));
	region_read(g, 3, 0, s->msix, sizeof(s->msix));
	region_read(g, 1, 0, s->flash, sizeof(s->flash));
	region_read(g, 2, 0, s->io, 4);
	region_read(g, 2, 4, s->io + 4, 4);
	region_read(g, 0, 0, s->bar0, sizeof(s->bar0));
	for (uint32_t i = 0; i < M82576_NVM_WORDS; i++) {
		rig_wr(g, IGB_EERD, i << IGB_EERD_ADDR_SHIFT | IGB_EERD_START);
		s->nvm[i] = (uint16_t)(rig_rd(g, IGB_EERD) >> IGB_EERD_DATA_SHIFT);
	}
	for (uint32_t i = 0; i < M82576_PHY_REGS; i++)
		s->phy[i] = (uint16_t)mdic(g, i, IGB_MDIC_OP_READ);
	/*
	 * The EEPROM's status, bit by bit: half a command would continue here, and a write
	 * permission would show.
	 */
	for (unsigned int i = 0; i < 17; i++) {
		s->eecd[i] = rig_rd(g, IGB_EECD);
		spi_bits(g, i < 8 ? 0x05 >> (7 - i) : 0, 1);
	}
}

/* Write words of the NVM with the EEPROM's pins, then half a command, which would continue. */
static void
spoil_nvm(struct rig *g)
{
	for (uint32_t byte = 0; byte < M82576_NVM_WORDS * 2; byte += 32) {
		rig_wr(g, IGB_EECD, IGB_EECD_REQ | IGB_EECD_CS);
		spi_bits(g, 0x06, 8);
		rig_wr(g, IGB_EECD, IGB_EECD_REQ | IGB_EECD_CS);
		spi_bits(g, 0x02 << 16 | byte, 24);
		spi_bits(g, SECRET << 8 | SECRET, 16);
		rig_wr(g, IGB_EECD, IGB_EECD_REQ | IGB_EECD_CS);
	}
	spi_bits(g, 0x06, 8);
	rig_wr(g, IGB_EECD, IGB_EECD_REQ | IGB_EECD_CS);
	spi_bits(g, 0x05, 8);
}

static void
spoil_registers(struct rig *g, uint8_t pattern)
{
	static uint8_t all[IGB_BAR0_SIZE];
	struct m82576_frame f;

	/* Write all registers but CTRL and its copy (8.2.1), which reset the device. */
	memset(all, pattern, sizeof(all));
	region_write(g, 0, 8, all, sizeof(all) - 8);
	rig_wr(g, IGB_CTRL, 0x03FFFFFFu & ~IGB_CTRL_GIO_MASTER_DISABLE);
	for (unsigned int i = 0; i < 20; i++)
		rig_take(g, &f);
	memset(all, SECRET, 1000);
	memset(all, 0xFF, 6);
	rig_send_in(g, all, 1000, 0);
}

static void
spoil(struct rig *g, int *fds)
{
	static uint8_t frame[1500];
	uint8_t all[IGB_BAR3_SIZE];
	struct m82576_frame f;

	memset(frame, SECRET, sizeof(frame));
	memcpy(frame, rig_mac, 6);
	vfu_rcu_offline();
	assert_int_equal(vfu_client_set_irq_fds(g->c, VFIO_PCI_MSIX_IRQ_INDEX, 0, IGB_MSIX_VECTORS,
					 fds),
			0);
	assert_int_equal(vfu_client_set_irq_fds(g->c, VFIO_PCI_MSI_IRQ_INDEX, 0, 1, fds), 0);
	assert_int_equal(vfu_client_set_irq_fds(g->c, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, fds), 0);
	vfu_rcu_online();
	spoil_nvm(g);
	/*
	 * Frames in both directions change counters, heads and buffers. Half a frame remains
	 * pending.
	 */
	rig_rx_start(g, 0, RIG_ADV);
	rig_rx_on(g, IGB_RCTL_BAM | IGB_RCTL_UPE);
	rig_send_in(g, frame, sizeof(frame), 0);
	rig_tx_start(g, 0);
	rig_ctx(g, 0, 14, 20, 20, 100, 0, 0x123);
	rig_post(g, frame, sizeof(frame), RIG_LAST, (uint32_t)sizeof(frame) << 14);
	rig_post(g, frame, 700, IGB_TXD_IFCS, 1400 << 14);
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &f), 1);
	assert_int_equal(rig_take(g, &f), 0);
	/* Interrupts: one of each kind is raised and stays pending. */
	rig_wr(g, IGB_IMS, UINT32_MAX);
	rig_wr(g, IGB_EIMS, UINT32_MAX);
	rig_wr(g, IGB_ICS, 1u << 2);
	rig_wr(g, IGB_EICS, UINT32_MAX);

	spoil_registers(g, 0xFF);
	spoil_registers(g, SECRET);
	memset(all, 0xFF, sizeof(all));
	region_write(g, 3, 0, all, sizeof(all));
	region_write(g, 7, 0, all, 4096);
	region_write(g, 2, 0, &(uint32_t){ IGB_RAL(3) }, 4);
	for (uint32_t i = 0; i < M82576_PHY_REGS; i++)
		mdic(g, i, IGB_MDIC_OP_WRITE | (i == 0 ? 0x5FFF : 0xA5A5));
	rig_wr(g, IGB_ICS, UINT32_MAX);
	memset(g->bar + IGB_RXQ_BASE, SECRET, RIG_PAGE);
	memset(g->bar + IGB_TXQ_BASE, SECRET, RIG_PAGE);
	rig_take(g, &f);
}

static void
compare(const char *what, const void *fresh, const void *next, size_t len, size_t width)
{
	const uint8_t *a = fresh, *b = next;
	unsigned int differ = 0;

	for (size_t i = 0; i < len; i += width) {
		if (memcmp(a + i, b + i, width) != 0 && differ++ < 20)
			print_error("%s, 0x%zx: 0x%08x of a device that nobody used, 0x%08x of the "
				    "next client's\n",
					what, i, *(const uint32_t *)(a + i / 4 * 4),
					*(const uint32_t *)(b + i / 4 * 4));
	}
	assert_int_equal(differ, 0);
}

static uint64_t
events(int fd)
{
	uint64_t n;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static int fds[IGB_MSIX_VECTORS];

static int
setup(void **state)
{
	for (unsigned int i = 0; i < IGB_MSIX_VECTORS; i++)
		fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return rig_setup(state);
}

static int
teardown(void **state)
{
	for (unsigned int i = 0; i < IGB_MSIX_VECTORS; i++)
		close(fds[i]);
	return rig_teardown(state);
}

static void
all_that_can_be_read_is_as_of_a_new_device(void **state)
{
	static struct snapshot fresh, spoiled, next;
	struct rig *g = *state;

	take_snapshot(g, &fresh);
	rig_teardown(state);
	rig_setup(state);
	g = *state;
	spoil(g, fds);
	take_snapshot(g, &spoiled);
	assert_memory_not_equal(&spoiled.config, &fresh.config, sizeof(fresh.config));
	assert_memory_not_equal(&spoiled.msix, &fresh.msix, sizeof(fresh.msix));
	assert_memory_not_equal(&spoiled.nvm, &fresh.nvm, sizeof(fresh.nvm));
	assert_memory_not_equal(&spoiled.phy, &fresh.phy, sizeof(fresh.phy));
	spoil_nvm(g);
	rig_disconnect(g);
	rig_connect(g);
	take_snapshot(g, &next);
#define COMPARE(what, width) compare(#what, fresh.what, next.what, sizeof(fresh.what), width)
	COMPARE(config, 4);
	COMPARE(msix, 4);
	COMPARE(flash, 4);
	COMPARE(io, 4);
	COMPARE(bar0, 4);
	COMPARE(nvm, 2);
	COMPARE(phy, 2);
	COMPARE(pages[0], 4);
	COMPARE(pages[1], 4);
	COMPARE(eecd, 4);
}

static void
frames_have_no_byte_of_the_former_client(void **state)
{
	struct rig *g = *state;
	static uint8_t frame[1500];
	struct m82576_frame f;
	uint8_t secret[64];

	spoil(g, fds);
	rig_disconnect(g);
	rig_connect(g);
	memset(g->mem, 0, RIG_MEM);
	memset(secret, SECRET, sizeof(secret));

	/*
	 * The device sends nothing that the client has not posted, and pads a short frame with
	 * zeros.
	 */
	assert_int_equal(rig_take(g, &f), 0);
	rig_tx_start(g, 0);
	rig_wr(g, IGB_CTRL, rig_rd(g, IGB_CTRL) | IGB_CTRL_SLU);
	memset(frame, 0x11, sizeof(frame));
	memcpy(frame, rig_mac, 6);
	rig_post(g, frame, 20, RIG_LAST, 20 << 14);
	rig_post(g, frame, 300, RIG_LAST | IGB_TXD_VLE, 300 << 14); /* no context was set */
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &f), 1);
	assert_in_range(f.len, 20, 60);
	assert_memory_equal(f.data, frame, 20);
	for (uint32_t i = 20; i < f.len; i++)
		assert_int_equal(f.data[i], 0);
	while (rig_take(g, &f) == 1) {
		for (uint32_t i = 0; i < f.len; i++)
			assert_int_not_equal(f.data[i], SECRET);
		assert_int_not_equal(f.len, 304); /* the former client's tag */
	}

	/* The device delivers only frames that were sent to it. */
	rig_rx_start(g, 0, RIG_ADV);
	rig_rx_on(g, IGB_RCTL_BAM);
	rig_send_in(g, frame, 60, 0);
	assert_true(rig_rxd(g, 0, 0)->wb.staterr & 1);
	assert_int_equal(rig_rxd(g, 0, 0)->wb.length, 64); /* with its FCS */
	assert_false(rig_rxd(g, 0, 1)->wb.staterr & 1);
	assert_null(memmem(g->mem, RIG_MEM, secret, sizeof(secret)));
}

static void
no_event_of_the_former_client_comes(void **state)
{
	struct rig *g = *state;
	struct m82576_frame f;

	spoil(g, fds);
	rig_disconnect(g);
	rig_connect(g);
	for (unsigned int i = 0; i < IGB_MSIX_VECTORS; i++)
		events(fds[i]);
	for (unsigned int index = VFIO_PCI_INTX_IRQ_INDEX; index <= VFIO_PCI_MSIX_IRQ_INDEX;
			index++) {
		const unsigned int n = index == VFIO_PCI_MSIX_IRQ_INDEX ? IGB_MSIX_VECTORS : 1;

		vfu_rcu_offline();
		assert_int_equal(vfu_client_set_irq_fds(g->c, index, 0, n, fds), 0);
		assert_int_equal(vfu_client_unmask_irqs(g->c, index, 0, n), 0);
		vfu_rcu_online();
		rig_take(g, &f);
		for (unsigned int i = 0; i < n; i++)
			assert_int_equal(events(fds[i]), 0);
		/* The client's own interrupt does arrive: it is not masked. */
		if (index == VFIO_PCI_INTX_IRQ_INDEX) {
			rig_wr(g, IGB_IMS, 1u << 2);
			rig_wr(g, IGB_ICS, 1u << 2);
			assert_int_equal(events(fds[0]), 1);
			rig_wr(g, 0x000D8, UINT32_MAX); /* IMC */
			rig_rd(g, 0x000C0);             /* ICR */
		}
		vfu_rcu_offline();
		assert_int_equal(vfu_client_set_irq_fds(g->c, index, 0, 0, NULL), 0);
		vfu_rcu_online();
	}
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(all_that_can_be_read_is_as_of_a_new_device),
		T(frames_have_no_byte_of_the_former_client),
		T(no_event_of_the_former_client_comes),
	};

	return cmocka_run_group_tests_name("igb_model_next_client", tests, NULL, NULL);
}
