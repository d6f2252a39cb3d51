/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Accesses to the device's regions, of each width and at each edge: registers, I/O space, flash,
 * the MSI-X table, configuration space. The EEPROM's commands, and statistics at their maximum.
 */

#include <errno.h>

#include <linux/pci_regs.h>

#include "eeprom_pins.h"
#include "igb_rig.h"

/*
 * The device's functions, which the test calls in place of the server. The server takes a result
 * that is not negative for success, and a command of several writes ends at one that is not 0.
 */
static const struct vfu_server_ops *ops;
static struct vfu_server_ops checked;
static atomic_uint positive; /* results that are neither 0 nor a negative errno value */

static int
result(int ret)
{
	positive += ret > 0;
	return ret;
}

static int
checked_read(void *opaque, unsigned int region, uint64_t off, void *buf, size_t len)
{
	return result(ops->region_read(opaque, region, off, buf, len));
}

static int
checked_write(void *opaque, unsigned int region, uint64_t off, const void *buf, size_t len)
{
	return result(ops->region_write(opaque, region, off, buf, len));
}

static int
checked_reset(void *opaque)
{
	return result(ops->reset(opaque));
}

int __real_vfu_server_start(const char *path, const struct vfu_server_desc *desc,
		const struct vfu_server_ops *o, void *opaque, struct vfu_server **server,
		char *err);
int __wrap_vfu_server_start(const char *path, const struct vfu_server_desc *desc,
		const struct vfu_server_ops *o, void *opaque, struct vfu_server **server,
		char *err);

int
__wrap_vfu_server_start(const char *path, const struct vfu_server_desc *desc,
		const struct vfu_server_ops *o, void *opaque, struct vfu_server **server, char *err)
{
	ops = o;
	checked = *o;
	checked.region_read = checked_read;
	checked.region_write = checked_write;
	checked.reset = checked_reset;
	return __real_vfu_server_start(path, desc, &checked, opaque, server, err);
}

static int
teardown(void **state)
{
	rig_teardown(state);
	assert_int_equal(positive, 0);
	return 0;
}

static int
get(struct rig *g, unsigned int region, uint64_t off, void *buf, size_t len)
{
	int ret;

	vfu_rcu_offline();
	ret = vfu_client_region_read(g->c, region, off, buf, len);
	vfu_rcu_online();
	return ret;
}

static int
set(struct rig *g, unsigned int region, uint64_t off, const void *buf, size_t len)
{
	int ret;

	vfu_rcu_offline();
	ret = vfu_client_region_write(g->c, region, off, buf, len);
	vfu_rcu_online();
	return ret;
}

/* Regions. */

static void
regions_and_interrupts_are_described(void **state)
{
	static const uint64_t sizes[] = { IGB_BAR0_SIZE, IGB_BAR1_SIZE, IGB_BAR2_SIZE,
		IGB_BAR3_SIZE, 0, 0, 0, 4096 };
	static const uint32_t vectors[] = { 1, 1, IGB_MSIX_VECTORS, 0, 0 };
	struct rig *g = *state;
	struct vfu_region r;
	struct vfu_irq_info irq;

	vfu_rcu_offline();
	for (unsigned int i = 0; i < 8; i++) {
		assert_int_equal(vfu_client_region_info(g->c, i, &r), 0);
		assert_int_equal(r.size, sizes[i]);
		assert_int_equal(r.flags &
						(VFIO_REGION_INFO_FLAG_READ |
								VFIO_REGION_INFO_FLAG_WRITE),
				sizes[i] == 0 ? 0 :
						VFIO_REGION_INFO_FLAG_READ |
								VFIO_REGION_INFO_FLAG_WRITE);
		assert_int_equal(r.nr_areas, i == 0 ? 2 : 0);
		if (i != 0) {
			assert_int_equal(r.fd, -1);
			continue;
		}
		close(r.fd);
		assert_int_equal(r.areas[0].offset, IGB_RXQ_BASE);
		assert_int_equal(r.areas[1].offset, IGB_TXQ_BASE);
		for (unsigned int k = 0; k < 2; k++)
			assert_int_equal(r.areas[k].size, RIG_PAGE);
	}
	for (unsigned int i = 0; i < 5; i++) {
		assert_int_equal(vfu_client_irq_info(g->c, i, &irq), 0);
		assert_int_equal(irq.count, vectors[i]);
	}
	vfu_rcu_online();
}

static void
registers_are_read_in_parts_and_written_whole(void **state)
{
	struct rig *g = *state;
	const uint32_t at = IGB_VFTA(4);
	uint8_t buf[16];
	uint64_t v;

	rig_wr(g, at, 0x44332211);
	rig_wr(g, at + 4, 0x88776655);
	for (unsigned int i = 0; i < 4; i++) {
		buf[0] = 0;
		assert_int_equal(get(g, 0, at + i, buf, 1), 0);
		assert_int_equal(buf[0], 0x11 * (i + 1));
	}
	for (unsigned int i = 0; i < 4; i++) {
		memset(buf, 0, sizeof(buf));
		assert_int_equal(get(g, 0, at + i, buf, 2) == 0, i % 2 == 0);
		if (i % 2 == 0)
			assert_memory_equal(buf, i == 0 ? "\x11\x22" : "\x33\x44", 3);
		assert_int_equal(get(g, 0, at + i, buf, 4) == 0, i == 0);
		assert_int_equal(get(g, 0, at + i, buf, 8) == 0, i == 0);
	}
	assert_int_equal(get(g, 0, at, &v, 8), 0);
	assert_int_equal(v, 0x8877665544332211);
	for (unsigned int len = 5; len < 8; len++)
		assert_true(get(g, 0, at, buf, len) < 0);
	/* Writes. */
	for (unsigned int len = 1; len < 8; len++)
		assert_int_equal(set(g, 0, at, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF", len) == 0, len == 4);
	for (unsigned int i = 1; i < 4; i++)
		assert_true(set(g, 0, at + i, &v, 4) < 0);
	assert_int_equal(rig_rd(g, at), 0xFFFFFFFF);
	assert_int_equal(rig_rd(g, at + 4), 0x88776655);
	v = 0x0123456789ABCDEF;
	assert_int_equal(set(g, 0, at, &v, 8), 0);
	assert_int_equal(rig_rd(g, at), 0x89ABCDEF);
	assert_int_equal(rig_rd(g, at + 4), 0x01234567);
	/* The last register. */
	assert_int_equal(get(g, 0, IGB_BAR0_SIZE - 4, buf, 4), 0);
	assert_int_equal(get(g, 0, IGB_BAR0_SIZE - 4, buf, 8), -EINVAL);
}

static void
io_space_reaches_each_register(void **state)
{
	struct rig *g = *state;
	uint32_t v, i;
	uint8_t buf[8];

	for (i = 0; i < 4; i++) { /* the low bits of the address do not count */
		v = IGB_VFTA(1) + i;
		assert_int_equal(set(g, 2, 0, &v, 4), 0);
		assert_int_equal(get(g, 2, 0, &v, 4), 0);
		assert_int_equal(v, IGB_VFTA(1) + i);
		v = 0x1000 + i;
		assert_int_equal(set(g, 2, 4, &v, 4), 0);
		assert_int_equal(rig_rd(g, IGB_VFTA(1)), 0x1000 + i);
		v = 0;
		assert_int_equal(get(g, 2, 4, &v, 4), 0);
		assert_int_equal(v, 0x1000 + i);
	}
	/* The other words of I/O space do not exist. */
	v = ~0u;
	assert_int_equal(set(g, 2, 8, &v, 4), 0);
	assert_int_equal(get(g, 2, 8, &v, 4), 0);
	assert_int_equal(v, 0);
	assert_int_equal(rig_rd(g, IGB_VFTA(1)), 0x1003);
	/* Addresses that the BAR does not have. */
	for (i = 0; i < 2; i++) {
		v = i == 0 ? IGB_BAR0_SIZE : ~0u;
		assert_int_equal(set(g, 2, 0, &v, 4), 0);
		assert_int_equal(set(g, 2, 4, &v, 4), 0);
		assert_int_equal(get(g, 2, 4, &v, 4), 0);
		assert_int_equal(v, 0);
	}
	v = IGB_BAR0_SIZE - 1;
	assert_int_equal(set(g, 2, 0, &v, 4), 0);
	assert_int_equal(get(g, 2, 4, &v, 4), 0);
	/* Four bytes, aligned. */
	for (i = 1; i < 9; i++)
		if (i != 4) {
			assert_true(get(g, 2, 0, buf, i) < 0);
			assert_true(set(g, 2, 0, buf, i) < 0);
		}
	for (i = 1; i < 4; i++) {
		assert_true(get(g, 2, i, buf, 4) < 0);
		assert_true(set(g, 2, i, buf, 4) < 0);
	}
	assert_int_equal(get(g, 2, 0, &v, 4), 0);
	assert_int_equal(v, IGB_BAR0_SIZE - 1);
	/* A reset of the device clears the address; a reset of the MAC does not. */
	rig_wr(g, IGB_CTRL, IGB_CTRL_RST);
	assert_int_equal(get(g, 2, 0, &v, 4), 0);
	assert_int_equal(v, IGB_BAR0_SIZE - 1);
	vfu_rcu_offline();
	assert_int_equal(vfu_client_reset(g->c), 0);
	vfu_rcu_online();
	assert_int_equal(get(g, 2, 0, &v, 4), 0);
	assert_int_equal(v, 0);
}

static void
flash_is_erased_and_stays_so(void **state)
{
	struct rig *g = *state;
	uint8_t buf[16] = { 0 };

	assert_int_equal(set(g, 1, 16, buf, sizeof(buf)), 0);
	assert_int_equal(get(g, 1, 16, buf, sizeof(buf)), 0);
	for (unsigned int i = 0; i < sizeof(buf); i++)
		assert_int_equal(buf[i], 0xFF);
	assert_int_equal(get(g, 1, IGB_BAR1_SIZE - 1, buf, 1), 0);
	assert_true(get(g, 4, 0, buf, 4) < 0);
	assert_true(set(g, 4, 0, buf, 4) < 0);
}

/* The table's words, each vector of it, what is behind it, and the pending bits. */
static void
msix_table_and_pending_bits_are_exact(void **state)
{
	static const uint32_t want[4] = { 0xFFFFFFFC, 0xFFFFFFFF, 0xFFFFFFFF, 1 };
	struct rig *g = *state;
	uint8_t ones[IGB_BAR3_SIZE], is[IGB_BAR3_SIZE];
	uint32_t pba, v;

	assert_int_equal(get(g, 3, 0, is, sizeof(is)), 0);
	for (unsigned int i = 0; i < sizeof(is) / 4; i++) {
		memcpy(&v, is + 4 * i, 4);
		assert_int_equal(v, i % 4 == 3 && i < 4 * IGB_MSIX_VECTORS); /* masked */
	}
	memset(ones, 0xFF, sizeof(ones));
	assert_int_equal(set(g, 3, 0, ones, sizeof(ones)), 0);
	assert_int_equal(get(g, 3, 0, is, sizeof(is)), 0);
	for (unsigned int i = 0; i < sizeof(is) / 4; i++) {
		memcpy(&v, is + 4 * i, 4);
		assert_int_equal(v, i < 4 * IGB_MSIX_VECTORS ? want[i % 4] : 0);
	}
	/* Raised while masked, vectors are pending. */
	for (unsigned int i = 0; i < IGB_MSIX_VECTORS; i++) {
		int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

		vfu_rcu_offline();
		assert_int_equal(vfu_client_set_irq_fds(g->c, VFIO_PCI_MSIX_IRQ_INDEX, i, 1, &fd),
				0);
		vfu_rcu_online();
		vfu_server_irq_mask(g->m->server, VFIO_PCI_MSIX_IRQ_INDEX, i, true);
		assert_true(vfu_server_irq(g->m->server, VFIO_PCI_MSIX_IRQ_INDEX, i));
		assert_int_equal(get(g, 3, IGB_MSIX_PBA_OFFSET, &pba, 4), 0);
		assert_int_equal(pba, 1u << i);
		memset(is, 0xEE, 8);
		assert_int_equal(get(g, 3, IGB_MSIX_PBA_OFFSET - 2, is, 8), 0);
		assert_int_equal(is[0] | is[1] | is[6] | is[7], 0);
		assert_memory_equal(is + 2, &pba, 4);
		vfu_server_irq_mask(g->m->server, VFIO_PCI_MSIX_IRQ_INDEX, i, false);
		close(fd);
	}
}

/* Writes of one byte, beside and on the bits that have an effect. */
static void
effects_of_configuration_belong_to_their_byte(void **state)
{
	const uint32_t devctl = 0xA0 + PCI_EXP_DEVCTL;
	struct rig *g = *state;

	rig_wr(g, IGB_VFTA(0), 0x1234);
	rig_cfg_wr(g, devctl, 0x80, 1);     /* the low byte */
	rig_cfg_wr(g, devctl + 2, 0x80, 1); /* behind it */
	rig_cfg_wr(g, devctl + 1, 0x7F, 1); /* all but the reset */
	rig_cfg_wr(g, devctl - 2, 0xFFFF8080, 4 - 2);
	assert_int_equal(rig_rd(g, IGB_VFTA(0)), 0x1234);
	for (unsigned int i = 0; i < 3; i++) {
		rig_wr(g, IGB_VFTA(0), 0x1234);
		switch (i) {
		case 0:
			rig_cfg_wr(g, devctl + 1, 0x80, 1);
			break;
		case 1:
			rig_cfg_wr(g, devctl, 0x8000, 2);
			break;
		case 2:
			rig_cfg_wr(g, devctl, 0x8000, 4);
			break;
		}
		assert_int_equal(rig_rd(g, IGB_VFTA(0)), 0);
	}
	/* The status has a fault until its bit is written as 1, with other bytes or without. */
	for (unsigned int i = 0; i < 4; i++) {
		uint8_t byte;

		assert_int_not_equal(vfu_dma_read(g->m->server, 0, 0x1000, &byte, 1), 0);
		assert_true(rig_cfg_rd(g, PCI_STATUS, 2) & PCI_STATUS_REC_MASTER_ABORT);
		rig_cfg_wr(g, PCI_STATUS, 0xFF, 1);
		rig_cfg_wr(g, PCI_STATUS + 2, 0xFF, 1);
		rig_cfg_wr(g, PCI_STATUS + 1, (uint8_t)~0x20, 1);
		assert_true(rig_cfg_rd(g, PCI_STATUS, 2) & PCI_STATUS_REC_MASTER_ABORT);
		switch (i) {
		case 0:
			rig_cfg_wr(g, PCI_STATUS + 1, 0x20, 1);
			break;
		case 1:
			rig_cfg_wr(g, PCI_STATUS, 0x2000, 2);
			break;
		case 2:
			rig_cfg_wr(g, PCI_COMMAND, 0x20000006, 4);
			break;
		case 3: /* the next client did not cause it */
			rig_disconnect(g);
			rig_connect(g);
			break;
		}
		assert_false(rig_cfg_rd(g, PCI_STATUS, 2) & PCI_STATUS_REC_MASTER_ABORT);
	}
}

/* NVM. */

static uint32_t
eerd(struct rig *g, uint32_t word)
{
	rig_wr(g, IGB_EERD, word << IGB_EERD_ADDR_SHIFT | IGB_EERD_START);
	return rig_rd(g, IGB_EERD);
}

static uint32_t
eeprom_status(struct rig *g)
{
	spi_command(g, 0x05, 8);
	return spi_in(g, 8);
}

static void
words_of_the_nvm_are_exact_at_its_end(void **state)
{
	struct rig *g = *state;
	const uint32_t last = M82576_NVM_WORDS - 1;

	g->m->nvm[last] = 0x1234;
	assert_int_equal(eerd(g, last), 0x12340000 | last << 2 | 2);
	assert_int_equal(eerd(g, last + 1), 0xFFFF0000 | (last + 1) << 2 | 2);
	assert_int_equal(eerd(g, 0), 0x11020000 | 2);
	/* Without START nothing is read. */
	rig_wr(g, IGB_EERD, 0xFFFF0000 | 5 << 2 | 2);
	assert_int_equal(rig_rd(g, IGB_EERD), 5 << 2);
	/* A read by the pins continues at the beginning. */
	pins(g, IGB_EECD_REQ, 0);
	spi_command(g, 0x03 << 16 | last * 2, 24);
	assert_int_equal(spi_in(g, 16), 0x3412);
	assert_int_equal(spi_in(g, 16), 0x0211);
	/* A status is read again and again. */
	spi_command(g, 0x06, 8);
	spi_command(g, 0x05, 8);
	assert_int_equal(spi_in(g, 32), 0x02020202);
}

/* WREN permits one write, until a write of either kind, or WRDI; a longer command is another. */
static void
write_permission_of_the_eeprom_is_exact(void **state)
{
	static const struct {
		uint32_t data;
		unsigned int bits;
		bool permits; /* the permission remains */
	} t[] = {
		{ 0x04, 8, false },        /* WRDI */
		{ 0x0100, 16, false },     /* WRSR */
		{ 0x02 << 16, 24, false }, /* WRITE without data */
		{ 0x03 << 16, 24, true },  /* READ */
		{ 0x05, 8, true },         /* RDSR */
		{ 0x07, 8, true },         /* none */
	};
	struct rig *g = *state;

	pins(g, IGB_EECD_REQ, 0);
	for (unsigned int i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		spi_command(g, 0x06, 8);
		assert_int_equal(eeprom_status(g), 2);
		spi_command(g, t[i].data, t[i].bits);
		assert_int_equal(eeprom_status(g), t[i].permits ? 2 : 0);
		spi_command(g, 0x04, 8);
	}
	for (unsigned int bits = 7; bits < 10; bits++) {
		spi_command(g, bits < 9 ? 0x06 : 0x06 << 1, bits);
		assert_int_equal(eeprom_status(g), bits == 8 ? 2 : 0);
		spi_command(g, 0x04, 8);
	}
	/* A command ends, and is carried out, also when software gives up the pins. */
	spi_command(g, 0x06, 8);
	pins(g, 0, IGB_EECD_REQ);
	pins(g, IGB_EECD_REQ, 0);
	assert_int_equal(eeprom_status(g), 2);
	/* A deselected chip drives nothing. */
	spi_command(g, 0x06, 8);
	spi_command(g, 0x05, 8);
	spi_in(g, 6);
	assert_int_equal(spi_in(g, 1), 1);
	pins(g, IGB_EECD_CS, 0);
	assert_false(rig_rd(g, IGB_EECD) & IGB_EECD_DO);
}

/* Statistics. */

static void
statistics_of_64_bits_have_both_halves(void **state)
{
	static const uint32_t low[] = { IGB_GORCL, IGB_GOTCL, IGB_TORL, IGB_TOTL, IGB_HGORCL,
		IGB_HGOTCL };
	struct rig *g = *state;

	for (unsigned int i = 0; i < sizeof(low) / sizeof(low[0]); i++) {
		g->m->rxc.stat[M82576_STAT(low[i])] += 5ull << 32 | 7;
		g->m->txc.stat[M82576_STAT(low[i])] += 1ull << 32 | 8;
		assert_int_equal(rig_rd(g, low[i]), 15);
		assert_int_equal(rig_rd(g, low[i] + 4), 6);
		assert_int_equal(rig_rd(g, low[i] + 4), 0);
		assert_int_equal(rig_rd(g, low[i]), 0);
		/* A reset clears the half that is latched, and what was counted. */
		g->m->rxc.stat[M82576_STAT(low[i])] += 5ull << 32;
		assert_int_equal(rig_rd(g, low[i]), 0);
		g->m->rxc.stat[M82576_STAT(low[i])] += 9;
		rig_wr(g, IGB_CTRL, IGB_CTRL_RST);
		assert_int_equal(rig_rd(g, low[i] + 4), 0);
		assert_int_equal(rig_rd(g, low[i]), 0);
	}
}

static void
statistics_of_32_bits_stick_at_their_maximum(void **state)
{
	struct rig *g = *state;

	for (unsigned int i = 0; i < 3; i++) {
		const uint64_t n = (uint64_t)UINT32_MAX - 1 + i;
		const uint32_t want = i == 0 ? UINT32_MAX - 1 : UINT32_MAX;

		g->m->rxc.stat[M82576_STAT(IGB_GPRC)] += n;
		assert_int_equal(rig_rd(g, IGB_GPRC), want);
		assert_int_equal(rig_rd(g, IGB_GPRC), 0);
		for (unsigned int q = 0; q < 16; q += 15) {
			g->m->rxc.rqdpc[q] += n;
			assert_int_equal(rig_rd(g, IGB_RQDPC(q)), want);
			assert_int_equal(rig_rd(g, IGB_RQDPC(q)), 0);
		}
	}
	for (unsigned int q = 0; q < 16; q++)
		g->m->rxc.rqdpc[q] += q + 1;
	for (unsigned int i = 0; i < M82576_STAT_WORDS; i++)
		g->m->rxc.stat[i] += i + 1;
	rig_wr(g, IGB_CTRL, IGB_CTRL_RST);
	for (unsigned int i = 0; i < M82576_STAT_WORDS; i++)
		assert_int_equal(rig_rd(g, IGB_STATS_FIRST + 4 * i), 0);
	for (unsigned int q = 0; q < 16; q++)
		assert_int_equal(rig_rd(g, IGB_RQDPC(q)), 0);
}

/* The owner's statistics: each has its counter, and each queue its own. */
static void
statistics_of_the_owner_have_one_counter_each(void **state)
{
	struct rig *g = *state;
	struct m82576 *m = g->m;
	struct m82576_stats st;

	m->txc.frames = 1;
	m->txc.bytes = 2;
	m->txc.bad = 3;
	m->rxc.frames = 4;
	m->rxc.bytes = 5;
	m->rxc.no_desc = 6;
	m->rxc.filtered = 7;
	m->rxc.bad = 8;
	m->rxc.off = 9;
	m->rxc.bad_doorbells = 10;
	m->txc.bad_doorbells = 100;
	for (unsigned int q = 0; q < 16; q++) {
		m->txq[q].frames = 1000 + q;
		m->rxq[q].frames = 2000 + q;
		m->rxq[q].no_desc = 3000 + q;
	}
	memset(&st, 0xFF, sizeof(st));
	m82576_get_stats(m, &st);
	assert_int_equal(st.tx_frames, 1);
	assert_int_equal(st.tx_bytes, 2);
	assert_int_equal(st.tx_bad, 3);
	assert_int_equal(st.rx_frames, 4);
	assert_int_equal(st.rx_bytes, 5);
	assert_int_equal(st.rx_no_desc, 6);
	assert_int_equal(st.rx_filtered, 7);
	assert_int_equal(st.rx_bad, 8);
	assert_int_equal(st.rx_off, 9);
	assert_int_equal(st.bad_doorbells, 110);
	assert_int_equal(st.dma_faults, 0);
	for (unsigned int q = 0; q < 16; q++) {
		assert_int_equal(st.queue[q].tx_frames, 1000 + q);
		assert_int_equal(st.queue[q].rx_frames, 2000 + q);
		assert_int_equal(st.queue[q].rx_no_desc, 3000 + q);
	}
	assert_true(st.client && st.link);
	m82576_set_link(m, false);
	m82576_get_stats(m, &st);
	assert_true(st.client && !st.link);
	m82576_set_link(m, true);
	rig_disconnect(g);
	m82576_get_stats(m, &st);
	assert_true(!st.client && st.link);
	rig_connect(g);
}

#define RIG(f) cmocka_unit_test_setup_teardown(f, rig_setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RIG(regions_and_interrupts_are_described),
		RIG(registers_are_read_in_parts_and_written_whole),
		RIG(io_space_reaches_each_register),
		RIG(flash_is_erased_and_stays_so),
		RIG(msix_table_and_pending_bits_are_exact),
		RIG(effects_of_configuration_belong_to_their_byte),
		RIG(words_of_the_nvm_are_exact_at_its_end),
		RIG(write_permission_of_the_eeprom_is_exact),
		RIG(statistics_of_64_bits_have_both_halves),
		RIG(statistics_of_32_bits_stick_at_their_maximum),
		RIG(statistics_of_the_owner_have_one_counter_each),
	};

	return cmocka_run_group_tests_name("igb_model_access", tests, NULL, NULL);
}
