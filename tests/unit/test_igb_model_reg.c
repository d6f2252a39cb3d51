/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/* The model's registers: reset values, side effects, NVM, PHY, configuration space, statistics. */

#include "eeprom_pins.h"
#include "igb_rig.h"

static void
registers_have_datasheet_reset_values(void **state)
{
	struct rig *g = *state;
	uint32_t s = rig_rd(g, IGB_STATUS);

	assert_true(s & IGB_STATUS_LU);
	assert_true(s & IGB_STATUS_FD);
	assert_true(s & IGB_STATUS_PF_RST_DONE);
	assert_int_equal((s & IGB_STATUS_SPEED_MASK) >> IGB_STATUS_SPEED_SHIFT, 2);
	assert_false(s & IGB_STATUS_TXOFF);
	m82576_tx_pause(g->m, true);
	assert_int_equal(rig_rd(g, IGB_STATUS), s | IGB_STATUS_TXOFF);
	m82576_tx_pause(g->m, false);
	assert_int_equal(rig_rd(g, IGB_STATUS), s);
	assert_int_equal(rig_rd(g, IGB_RXPBS), 0x40);
	assert_int_equal(rig_rd(g, IGB_TXPBS), 0x28);
	assert_int_equal(rig_rd(g, IGB_RLPML), 0x2600);
	assert_int_equal(rig_rd(g, IGB_VET), 0x81008100);
	assert_true(rig_rd(g, IGB_EECD) & IGB_EECD_PRES);
	assert_true(rig_rd(g, IGB_EECD) & IGB_EECD_AUTO_RD);
	assert_true(rig_rd(g, IGB_EEMNGCTL) & IGB_EEMNGCTL_CFG_DONE0);
	assert_int_equal(rig_rd(g, IGB_RAL(0)), 0x33221102);
	assert_int_equal(rig_rd(g, IGB_RAH(0)), IGB_RAH_AV | 0x5544);
	assert_int_equal(rig_rd(g, 0x1FFFC), 0);
	assert_int_equal(rig_rd(g, IGB_CTRL), 0x00100209);
	assert_int_equal(rig_rd(g, IGB_DTXCTL), 0x44);
	assert_int_equal(rig_rd(g, IGB_DCA_TXCTRL(5)), 0x2A00);
	assert_int_equal(rig_rd(g, IGB_GCR), 0x06850200);
}

static void
reset_clears_what_the_datasheet_says(void **state)
{
	struct rig *g = *state;

	rig_wr(g, IGB_RXCSUM, 0);
	rig_wr(g, IGB_IMS, IGB_ICR_LSC);
	rig_wr(g, IGB_RXPBS, 0x30);
	rig_wr(g, IGB_RAL(3), 1);
	rig_wr(g, IGB_RAH(3), IGB_RAH_AV);
	rig_rx_start(g, 0, RIG_ADV);
	rig_wr(g, IGB_CTRL, rig_rd(g, IGB_CTRL) | IGB_CTRL_RST);
	assert_false(rig_rd(g, IGB_CTRL) & IGB_CTRL_RST);
	assert_int_equal(rig_rd(g, IGB_RXCSUM), IGB_RXCSUM_IPOFL | IGB_RXCSUM_TUOFL);
	assert_int_equal(rig_rd(g, IGB_IMS), 0);
	assert_int_equal(rig_rd(g, IGB_RXPBS), 0x30);
	assert_int_equal(rig_rd(g, IGB_RAH(3)), 0);
	assert_int_equal(rig_rd(g, IGB_RXDCTL(0)) & IGB_DCTL_ENABLE, 0);
	assert_int_equal(rig_rd(g, IGB_RDLEN(0)), 0);
	/*
	 * A reset keeps throttling and the PHY. A reset of the PHY is reported until the driver
	 * clears it.
	 */
	rig_wr(g, IGB_EITR(3), 0x1230);
	rig_wr(g, IGB_STATUS, 0);
	rig_wr(g, IGB_CTRL, rig_rd(g, IGB_CTRL) | IGB_CTRL_RST);
	assert_int_equal(rig_rd(g, IGB_EITR(3)), 0x1230);
	assert_false(rig_rd(g, IGB_STATUS) & IGB_STATUS_PHYRA);
	rig_wr(g, IGB_CTRL, rig_rd(g, IGB_CTRL) | IGB_CTRL_PHY_RST);
	assert_true(rig_rd(g, IGB_STATUS) & IGB_STATUS_PHYRA);
	/* The device reset of the 82580 does not exist on the 82576. */
	rig_wr(g, IGB_VET, 0x12345678);
	rig_wr(g, IGB_CTRL, IGB_CTRL_DEV_RST);
	assert_int_equal(rig_rd(g, IGB_VET), 0x12345678);
	/* Forced speed and duplex. */
	rig_wr(g, IGB_CTRL, IGB_CTRL_FRCSPD | IGB_CTRL_FRCDPLX | 1u << 8);
	assert_int_equal(rig_rd(g, IGB_STATUS) & (IGB_STATUS_SPEED_MASK | IGB_STATUS_FD), 1u << 6);
	rig_wr(g, IGB_CTRL, 0);
	/* Master disable: the status bit follows. */
	assert_true(rig_rd(g, IGB_STATUS) & IGB_STATUS_GIO_MASTER_EN);
	rig_wr(g, IGB_CTRL, rig_rd(g, IGB_CTRL) | IGB_CTRL_GIO_MASTER_DISABLE);
	assert_false(rig_rd(g, IGB_STATUS) & IGB_STATUS_GIO_MASTER_EN);
	vfu_rcu_offline();
	assert_int_equal(vfu_client_reset(g->c), 0);
	vfu_rcu_online();
	assert_true(rig_rd(g, IGB_STATUS) & IGB_STATUS_GIO_MASTER_EN);
	assert_int_equal(rig_rd(g, IGB_RXPBS), 0x40);
}

static void
semaphores_are_exclusive_and_freed_on_disconnect(void **state)
{
	struct rig *g = *state;

	assert_int_equal(rig_rd(g, IGB_SWSM) & IGB_SWSM_SMBI, 0);
	assert_int_equal(rig_rd(g, IGB_SWSM) & IGB_SWSM_SMBI, 1);
	rig_wr(g, IGB_SWSM, rig_rd(g, IGB_SWSM) | IGB_SWSM_SWESMBI);
	assert_true(rig_rd(g, IGB_SWSM) & IGB_SWSM_SWESMBI);
	rig_wr(g, IGB_SW_FW_SYNC, IGB_SW_FW_PHY0);
	assert_int_equal(rig_rd(g, IGB_SW_FW_SYNC), IGB_SW_FW_PHY0);
	rig_wr(g, IGB_SWSM, 0);
	assert_int_equal(rig_rd(g, IGB_SWSM), 0);
	/* A client that leaves while it holds the semaphore does not lock out the next one. */
	rig_disconnect(g);
	usleep(100000);
	rig_connect(g);
	assert_int_equal(rig_rd(g, IGB_SWSM) & IGB_SWSM_SMBI, 0);
	rig_wr(g, IGB_SWSM, 0);
}

static uint16_t
nvm(struct rig *g, uint32_t word)
{
	rig_wr(g, IGB_EERD, word << IGB_EERD_ADDR_SHIFT | IGB_EERD_START);
	assert_true(rig_rd(g, IGB_EERD) & IGB_EERD_DONE);
	return (uint16_t)(rig_rd(g, IGB_EERD) >> IGB_EERD_DATA_SHIFT);
}

static void
nvm_words_and_checksum_are_valid(void **state)
{
	static const struct {
		uint16_t at, value;
	} words[] = {
		{ IGB_NVM_COMPAT, 0 },
		{ 0x04, 0x8911 },
		{ 0x05, 0x1000 },
		{ 0x06, 0xFFFF },
		{ 0x07, 0xFFFF },
		{ IGB_NVM_PBA_1, 0xE437 },
		{ IGB_NVM_PBA_1 + 1, 0x0903 },
		{ IGB_NVM_INIT_CTRL_1, 0x4463 },
		{ IGB_NVM_SUBSYS_ID, 0xA03C },
		{ IGB_NVM_SUBSYS_VENDOR, 0x8086 },
		{ IGB_NVM_DEVICE_ID, IGB_DEV_ID_82576 },
		{ 0x0E, 0x8086 },
		{ IGB_NVM_INIT_CTRL_2, 0x0080 },
		{ IGB_NVM_INIT_CTRL_3_LAN1, 0 },
		{ IGB_NVM_INIT_CTRL_3_LAN0, 0 },
		{ 0x37, 0xFFFF },
		{ 0x3E, 0 },
		{ 0x40, 0xFFFF },
	};
	struct rig *g = *state;
	uint16_t sum = 0;
	uint32_t i;

	for (i = 0; i <= IGB_NVM_CHECKSUM; i++)
		sum = (uint16_t)(sum + nvm(g, i));
	assert_int_equal(sum, IGB_NVM_CHECKSUM_SUM);
	assert_int_equal(nvm(g, 0), 0x1102);
	assert_int_equal(nvm(g, 2), 0x5544);
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		assert_int_equal(nvm(g, words[i].at), words[i].value);
	assert_int_equal(nvm(g, 0x3FFF), 0xFFFF);
	rig_wr(g, IGB_EECD, rig_rd(g, IGB_EECD) | IGB_EECD_REQ);
	assert_true(rig_rd(g, IGB_EECD) & IGB_EECD_GNT);
	rig_wr(g, IGB_EECD, rig_rd(g, IGB_EECD) & ~IGB_EECD_REQ);
	assert_false(rig_rd(g, IGB_EECD) & IGB_EECD_GNT);
}

#define SPI_WRITE 0x02u
#define SPI_READ  0x03u
#define SPI_RDSR  0x05u
#define SPI_WREN  0x06u

static uint32_t
spi_status(struct rig *g)
{
	spi_command(g, SPI_RDSR, 8);
	return spi_in(g, 8);
}

static void
spi_write(struct rig *g, uint32_t word, const uint16_t *data, uint32_t n)
{
	spi_command(g, SPI_WREN, 8);
	spi_command(g, SPI_WRITE << 16 | word * 2, 24);
	for (; n > 0; n--, data++)
		spi_out(g, __builtin_bswap16(*data), 16);
	pins(g, IGB_EECD_CS, 0);
}

static uint16_t
spi_read(struct rig *g, uint32_t word)
{
	spi_command(g, SPI_READ << 16 | word * 2, 24);
	return __builtin_bswap16((uint16_t)spi_in(g, 16));
}

/*
 * EERD reads what software wrote with EECD's pins, and the next reset loads it. The next client
 * gets the original contents.
 */
static void
nvm_is_written_by_its_pins(void **state)
{
	static const uint16_t data[] = { 0x1234, 0xABCD, 0x0F0F };
	struct rig *g = *state;
	uint16_t word = nvm(g, 0x20), sum = 0, mac = 0x2202;
	uint32_t i;

	/* Without the grant the pins have no effect. */
	spi_write(g, 0x20, data, 1);
	assert_int_equal(nvm(g, 0x20), word);
	pins(g, IGB_EECD_REQ, 0);
	assert_int_equal(spi_status(g), 0);
	assert_int_equal(spi_read(g, IGB_NVM_DEVICE_ID), IGB_DEV_ID_82576);
	assert_int_equal(spi_in(g, 16), 0x8680); /* the next word follows: the vendor ID */

	/* Each write needs its own permission. */
	spi_command(g, SPI_WRITE << 16 | 0x40, 24);
	spi_out(g, 0x5555, 16);
	pins(g, IGB_EECD_CS, 0);
	assert_int_equal(nvm(g, 0x20), word);
	spi_command(g, SPI_WREN, 8);
	assert_int_equal(spi_status(g), 2);
	spi_write(g, 0x20, data, 1);
	assert_int_equal(spi_status(g), 0);
	assert_int_equal(nvm(g, 0x20), 0x1234);
	/* With half a byte more, the command is invalid. */
	spi_command(g, SPI_WREN, 8);
	spi_command(g, SPI_WRITE << 16 | 0x40, 24);
	spi_out(g, 0xFFFFF, 20);
	pins(g, IGB_EECD_CS, 0);
	assert_int_equal(nvm(g, 0x20), 0x1234);
	/* A page has 16 words. Behind its end the write continues at its beginning. */
	word = nvm(g, 0x40);
	spi_write(g, 0x3E, data, 3);
	assert_int_equal(nvm(g, 0x3E), 0x1234);
	assert_int_equal(nvm(g, 0x3F), 0xABCD);
	assert_int_equal(nvm(g, 0x30), 0x0F0F);
	assert_int_equal(nvm(g, 0x40), word);
	assert_int_equal(spi_read(g, 0x3F), 0xABCD);

	/* Write another address, and the checksum, as the driver's tool does. */
	spi_write(g, IGB_NVM_MAC, &mac, 1);
	for (i = 0; i < IGB_NVM_CHECKSUM; i++)
		sum = (uint16_t)(sum + nvm(g, i));
	sum = (uint16_t)(IGB_NVM_CHECKSUM_SUM - sum);
	spi_write(g, IGB_NVM_CHECKSUM, &sum, 1);
	pins(g, 0, IGB_EECD_REQ);
	assert_int_equal(rig_rd(g, IGB_RAL(0)), 0x33221102);
	rig_wr(g, IGB_CTRL, IGB_CTRL_RST);
	assert_int_equal(rig_rd(g, IGB_RAL(0)), 0x33222202);
	assert_int_equal(nvm(g, IGB_NVM_CHECKSUM), sum);
	rig_disconnect(g);
	rig_connect(g);
	assert_int_equal(rig_rd(g, IGB_RAL(0)), 0x33221102);
	assert_int_equal(nvm(g, 0x20), 0);
}

static uint32_t
phy(struct rig *g, uint32_t reg)
{
	uint32_t v;

	rig_wr(g, IGB_MDIC,
			reg << IGB_MDIC_REG_SHIFT | IGB_PHY_ADDR << IGB_MDIC_PHY_SHIFT |
					IGB_MDIC_OP_READ);
	v = rig_rd(g, IGB_MDIC);
	assert_true(v & IGB_MDIC_READY);
	assert_false(v & IGB_MDIC_ERROR);
	assert_int_equal((v >> IGB_MDIC_REG_SHIFT) & 0x1F, reg);
	return v & 0xFFFF;
}

static void
phy_wr(struct rig *g, uint32_t reg, uint32_t v)
{
	rig_wr(g, IGB_MDIC,
			v | reg << IGB_MDIC_REG_SHIFT | IGB_PHY_ADDR << IGB_MDIC_PHY_SHIFT |
					IGB_MDIC_OP_WRITE);
	assert_true(rig_rd(g, IGB_MDIC) & IGB_MDIC_READY);
}

static void
phy_reports_link_latches_loss_and_resets(void **state)
{
	/* Bits that follow the link. */
	static const uint32_t read_only[32] = {
		[IGB_PHY_STATUS] = IGB_PHY_STATUS_LINK | IGB_PHY_STATUS_AN_DONE,
		[IGB_PHY_LP_ABILITY] = 0xFFFF,
		[IGB_PHY_AUTONEG_EXP] = 0xFFFF,
		[IGB_PHY_1000T_STATUS] = 0xFFFF,
		[IGB_PHY_PORT_STATUS] = 0xFFFF,
	};
	static const uint32_t after_reset[32] = {
		[IGB_PHY_CTRL] = 0x1140,
		[IGB_PHY_STATUS] = 0x7949,
		[IGB_PHY_ID1] = 0x02A8,
		[IGB_PHY_ID2] = 0x0391,
		[IGB_PHY_AUTONEG_ADV] = 0x0DE1,
		[IGB_PHY_1000T_CTRL] = 0x0300,
		[IGB_PHY_EXT_STATUS] = 0x3000,
		[IGB_PHY_PORT_CONFIG] = 0x0120,
	};
	struct rig *g = *state;
	unsigned int i;

	assert_int_equal(phy(g, IGB_PHY_ID1) << 16 | phy(g, IGB_PHY_ID2), IGB_PHY_ID_82576);
	assert_true(phy(g, IGB_PHY_STATUS) & IGB_PHY_STATUS_LINK);
	assert_true(phy(g, IGB_PHY_STATUS) & IGB_PHY_STATUS_AN_DONE);
	phy_wr(g, IGB_PHY_CTRL, phy(g, IGB_PHY_CTRL) | IGB_PHY_CTRL_POWER_DOWN);
	assert_false(rig_rd(g, IGB_STATUS) & IGB_STATUS_LU);
	phy_wr(g, IGB_PHY_CTRL, phy(g, IGB_PHY_CTRL) & ~IGB_PHY_CTRL_POWER_DOWN);
	assert_true(rig_rd(g, IGB_STATUS) & IGB_STATUS_LU);
	/* Latched low: the loss is reported once. */
	assert_false(phy(g, IGB_PHY_STATUS) & IGB_PHY_STATUS_LINK);
	assert_true(phy(g, IGB_PHY_STATUS) & IGB_PHY_STATUS_LINK);
	/* A restarted negotiation is visible, although it is short. */
	rig_rd(g, IGB_ICR);
	phy_wr(g, IGB_PHY_CTRL, phy(g, IGB_PHY_CTRL) | IGB_PHY_CTRL_RESTART_AN);
	assert_int_equal(rig_rd(g, IGB_ICR), IGB_ICR_LSC);
	assert_true(rig_rd(g, IGB_STATUS) & IGB_STATUS_LU);
	assert_false(phy(g, IGB_PHY_STATUS) & IGB_PHY_STATUS_LINK);
	assert_true(phy(g, IGB_PHY_STATUS) & IGB_PHY_STATUS_LINK);
	for (i = 0; i < 32; i++)
		if (i != IGB_PHY_CTRL)
			phy_wr(g, i, 0x5555);
	phy_wr(g, IGB_PHY_PAGE_SELECT, 0);
	phy_wr(g, IGB_PHY_CTRL, IGB_PHY_CTRL_RESET);
	for (i = 0; i < 32; i++)
		assert_int_equal(phy(g, i) & ~read_only[i], after_reset[i]);
	/* No PHY answers at another address. */
	rig_wr(g, IGB_MDIC, 5u << IGB_MDIC_PHY_SHIFT | IGB_MDIC_OP_READ);
	assert_true(rig_rd(g, IGB_MDIC) & IGB_MDIC_ERROR);
	/* The length of the cable, on another page. */
	phy_wr(g, IGB_PHY_PAGE_SELECT, 0x11B1);
	assert_int_not_equal(phy(g, 0x11) >> 9, 0);
	phy_wr(g, IGB_PHY_PAGE_SELECT, 0);
}

/* Speed and duplex follow from the advertisements of both ends, or are forced by software. */
static void
link_has_the_best_mode_of_both_ends(void **state)
{
	static const struct {
		uint32_t ctrl, adv, gig, partner;
		int code; /* STATUS.SPEED, or -1: no link */
		bool full;
		unsigned int mbps;
	} c[] = {
		{ 0x1340, 0x0DE1, 0x0200, M82576_ABLE_ALL, 2, true, 0 },
		{ 0x1340, 0x0DE1, 0x0000, M82576_ABLE_ALL, 1, true, 100 },
		{ 0x1340, 0x0CE1, 0x0100, M82576_ABLE_ALL, 1, false,
				100 }, /* no partner: 1000 half */
		{ 0x1340, 0x0C61, 0x0000, M82576_ABLE_ALL, 0, true, 10 },
		{ 0x1340, 0x0C21, 0x0000, M82576_ABLE_ALL, 0, false, 10 },
		{ 0x1340, 0x0DE1, 0x0200, M82576_ABLE_100_HALF | M82576_ABLE_10_FULL, 1, false,
				100 },
		{ 0x1340, 0x0C41, 0x0000, M82576_ABLE_1000_FULL, -1, true, 0 },
		{ 0x2100, 0x0DE1, 0x0200, M82576_ABLE_ALL, 1, true, 100 }, /* forced */
		{ 0x2000, 0x0DE1, 0x0200, M82576_ABLE_ALL, 1, false, 100 },
		{ 0x0100, 0x0DE1, 0x0200, M82576_ABLE_ALL, 0, true, 10 },
		{ 0x2100, 0x0DE1, 0x0200, M82576_ABLE_10_FULL, -1, true, 0 },
	};
	struct rig *g = *state;
	unsigned int i;

	for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		const uint32_t before = rig_rd(g, IGB_STATUS), was = m82576_carrier(g->m);
		const bool up = c[i].code >= 0;
		uint32_t s;

		/* An offer takes effect when negotiation starts. */
		phy_wr(g, IGB_PHY_AUTONEG_ADV, c[i].adv);
		phy_wr(g, IGB_PHY_1000T_CTRL, c[i].gig);
		assert_int_equal(rig_rd(g, IGB_STATUS), before);
		m82576_set_partner(g->m, c[i].partner);
		rig_rd(g, IGB_ICR);
		phy_wr(g, IGB_PHY_CTRL, c[i].ctrl);
		s = rig_rd(g, IGB_STATUS);
		assert_int_equal(!!(s & IGB_STATUS_LU), up);
		assert_int_equal(m82576_speed(g->m), c[i].mbps);
		assert_true(m82576_carrier(g->m) > was); /* the far end also sees it */
		assert_true(rig_rd(g, IGB_ICR) & IGB_ICR_LSC || !(before & IGB_STATUS_LU));
		phy(g, IGB_PHY_STATUS);
		assert_int_equal(phy(g, IGB_PHY_STATUS) &
						(IGB_PHY_STATUS_LINK | IGB_PHY_STATUS_AN_DONE),
				!up ? 0 :
						c[i].ctrl & IGB_PHY_CTRL_AUTONEG_EN ?
				      IGB_PHY_STATUS_LINK | IGB_PHY_STATUS_AN_DONE :
				      IGB_PHY_STATUS_LINK);
		if (!up) {
			assert_int_equal(phy(g, IGB_PHY_PORT_STATUS), 0);
			continue;
		}
		assert_int_equal((s & IGB_STATUS_SPEED_MASK) >> IGB_STATUS_SPEED_SHIFT, c[i].code);
		assert_int_equal(!!(s & IGB_STATUS_FD), c[i].full);
		assert_int_equal(phy(g, IGB_PHY_PORT_STATUS) >> 14, c[i].code + 1);
		assert_int_equal(phy(g, IGB_PHY_PORT_STATUS) & 0x3FFF,
				0x0400 | (c[i].full ? 0x0200 : 0));
		assert_int_equal(phy(g, IGB_PHY_LP_ABILITY) >> 5 & 0xF, c[i].partner & 0xF);
		assert_int_equal(!!(phy(g, IGB_PHY_1000T_STATUS) & 0x0800),
				!!(c[i].partner & M82576_ABLE_1000_FULL));
	}
	/* A change of the partner changes this end. */
	phy_wr(g, IGB_PHY_CTRL, 0x1340);
	assert_int_equal(m82576_ability(g->m), M82576_ABLE_ALL);
	m82576_set_partner(g->m, M82576_ABLE_100_FULL);
	assert_int_equal(m82576_speed(g->m), 100);
	m82576_set_partner(g->m, M82576_ABLE_ALL);
	assert_int_equal(m82576_speed(g->m), 0);
}

static unsigned int lines;

static void
count_line(const char *name, const char *line)
{
	lines++;
}

static int
setup_counted(void **state)
{
	return rig_setup_params(state,
			(struct m82576_params){ .speed_mbps = 1000, .log = count_line });
}

/* Write patterns, and expect the bits of the mask when reading back. */
static void
assert_pattern_reads_back(struct rig *g, uint32_t off, uint32_t mask, uint32_t bits)
{
	static const uint32_t p[] = { 0x5A5A5A5A, 0xA5A5A5A5, 0, ~0u };
	unsigned int i;

	for (i = 0; i < 4; i++) {
		rig_wr(g, off, p[i] & bits);
		if ((rig_rd(g, off) & mask) != (p[i] & bits & mask))
			fail_msg("register 0x%05x: 0x%08x is 0x%08x", off, p[i] & bits,
					rig_rd(g, off));
	}
}

/*
 * The accesses of a driver's self-test (Linux igb: ethtool -t offline): patterns to the
 * registers, with queues enabled on nonsense rings while frames arrive, and each interrupt. A
 * self-test is no misuse, so the device logs no line about it.
 */
static void
self_test_passes_and_logs_nothing(void **state)
{
	static const unsigned int index[] = { VFIO_PCI_MSIX_IRQ_INDEX, VFIO_PCI_MSI_IRQ_INDEX,
		VFIO_PCI_INTX_IRQ_INDEX };
	static const uint32_t whole[] = { IGB_FCAL, IGB_VET };
	const uint32_t toggle = 0x7FFFF3FF, causes = 0x77D4FBFD;
	struct rig *g = *state;
	struct m82576_frame fr;
	uint32_t i, q, v, n = lines;
	uint8_t f[60];
	int fd;

	memset(f, 0xFF, sizeof(f));
	v = rig_rd(g, IGB_STATUS);
	rig_wr(g, IGB_STATUS, toggle);
	assert_int_equal(rig_rd(g, IGB_STATUS) & toggle, v & toggle);
	for (i = 0; i < 2; i++)
		assert_pattern_reads_back(g, whole[i], ~0u, ~0u);
	assert_pattern_reads_back(g, IGB_FCAH, 0xFFFF, ~0u);
	assert_pattern_reads_back(g, IGB_FCAH + 4, 0xFFFF, ~0u); /* FCT */
	assert_pattern_reads_back(g, IGB_FCRTH, 0xFFF0, 0xFFF0);
	assert_pattern_reads_back(g, IGB_FCTTV, 0xFFFF, 0xFFFF);
	assert_pattern_reads_back(g, IGB_TIPG, 0x3FFFFFFF, 0x3FFFFFFF);
	for (q = 0; q < IGB_MAX_QUEUES; q++) {
		const uint32_t rx = q < 4 ? IGB_RXQ_ALIAS_BASE + q * 0x100 : IGB_RXQ(q, 0);
		const uint32_t tx = q < 4 ? IGB_TXQ_ALIAS_BASE + q * 0x100 : IGB_TXQ(q, 0);

		for (i = 0; i < 2; i++) {
			assert_pattern_reads_back(g, (i ? tx : rx) + IGB_Q_BAL, 0xFFFFFF80, ~0u);
			assert_pattern_reads_back(g, (i ? tx : rx) + IGB_Q_BAH, ~0u, ~0u);
			assert_pattern_reads_back(g, (i ? tx : rx) + IGB_Q_LEN, 0xFFFF0, 0xFFFFF);
		}
		rig_wr(g, rx + IGB_Q_DCTL, IGB_DCTL_ENABLE);
		assert_pattern_reads_back(g, rx + IGB_Q_TAIL, 0xFFFF, 0xFFFF);
		rig_send_in(g, f, sizeof(f), 0);
		rig_take(g, &fr);
		rig_wr(g, rx + IGB_Q_DCTL, 0);
	}
	for (i = 0; i < 3; i++) {
		const uint32_t bits = (const uint32_t[]){ 0, 0x003FFFFB, ~0u }[i];
		const uint32_t mask = i == 0 ? ~0u : 0x04CFB0FE;

		rig_wr(g, IGB_RCTL, bits & mask);
		assert_int_equal(rig_rd(g, IGB_RCTL) & mask, bits & mask);
		rig_send_in(g, f, sizeof(f), 0);
		rig_take(g, &fr);
	}
	rig_wr(g, IGB_TCTL, 0);
	assert_int_equal(rig_rd(g, IGB_TCTL), 0);
	for (i = 0; i < IGB_NUM_RA; i++) {
		assert_pattern_reads_back(g, IGB_RAL(i), ~0u, ~0u);
		assert_pattern_reads_back(g, IGB_RAH(i), 0x83FFFFFF, ~0u);
	}
	for (i = 0; i < IGB_NUM_MTA; i++)
		assert_pattern_reads_back(g, IGB_MTA(i), ~0u, ~0u);

	for (i = 0; i < 3; i++) {
		uint32_t mask;
		uint64_t count;

		rig_wr(g, IGB_CTRL, IGB_CTRL_RST);
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		vfu_rcu_offline();
		assert_int_equal(vfu_client_set_irq_fds(g->c, index[i], 0, 1, &fd), 0);
		vfu_rcu_online();
		rig_wr(g, IGB_IMC, ~0u);
		for (mask = 1; mask != 1u << 31; mask <<= 1) {
			if (!(mask & causes))
				continue;
			/*
			 * A masked cause is silent, an unmasked cause is posted, and other
			 * causes are not.
			 */
			rig_wr(g, IGB_ICR, ~0u);
			rig_wr(g, IGB_IMC, mask);
			rig_wr(g, IGB_ICS, mask);
			assert_int_equal(read(fd, &count, 8), -1);
			rig_wr(g, IGB_ICR, ~0u);
			rig_wr(g, IGB_IMS, mask);
			rig_wr(g, IGB_ICS, mask);
			assert_int_equal(read(fd, &count, 8), 8);
			assert_true(rig_rd(g, IGB_ICR) & mask);
			if (index[i] == VFIO_PCI_INTX_IRQ_INDEX) {
				vfu_rcu_offline();
				assert_int_equal(vfu_client_unmask_irqs(g->c, index[i], 0, 1), 0);
				vfu_rcu_online();
			}
			rig_wr(g, IGB_ICR, ~0u);
			rig_wr(g, IGB_IMC, ~mask);
			rig_wr(g, IGB_ICS, ~mask);
			assert_int_equal(read(fd, &count, 8), -1);
		}
		vfu_rcu_offline();
		assert_int_equal(vfu_client_set_irq_fds(g->c, index[i], 0, 0, NULL), 0);
		vfu_rcu_online();
		close(fd);
	}
	rig_wr(g, IGB_CTRL, IGB_CTRL_RST);
	assert_int_equal(lines, n);

	/* A driver that uses such a ring makes a mistake, which the device reports once. */
	rig_wr(g, IGB_RDLEN(0), 100);
	rig_wr(g, IGB_RXDCTL(0), IGB_DCTL_ENABLE);
	rig_rx_on(g, IGB_RCTL_BAM);
	assert_int_equal(lines, n);
	rig_send_in(g, f, sizeof(f), 0);
	rig_send_in(g, f, sizeof(f), 0);
	assert_int_equal(lines, n + 1);
}

/* The carrier of this end, as the far end sees it: m82576_carrier(). */
static void
carrier_follows_client_set_link_up_and_phy_power(void **state)
{
	struct rig *g = *state;
	uint32_t was;

	assert_false(m82576_carrier(g->m) & 1);
	rig_wr(g, IGB_CTRL, rig_rd(g, IGB_CTRL) | IGB_CTRL_SLU);
	assert_true(m82576_carrier(g->m) & 1);
	phy_wr(g, IGB_PHY_CTRL, phy(g, IGB_PHY_CTRL) | IGB_PHY_CTRL_POWER_DOWN);
	assert_false(m82576_carrier(g->m) & 1);
	phy_wr(g, IGB_PHY_CTRL, phy(g, IGB_PHY_CTRL) & ~IGB_PHY_CTRL_POWER_DOWN);
	assert_true(m82576_carrier(g->m) & 1);
	phy_wr(g, IGB_PHY_CTRL, phy(g, IGB_PHY_CTRL) | IGB_PHY_CTRL_LOOPBACK);
	assert_false(m82576_carrier(g->m) & 1);
	phy_wr(g, IGB_PHY_CTRL, phy(g, IGB_PHY_CTRL) & ~IGB_PHY_CTRL_LOOPBACK);
	/* Short losses are counted: negotiation, and resets of the PHY. */
	was = m82576_carrier(g->m);
	phy_wr(g, IGB_PHY_CTRL, phy(g, IGB_PHY_CTRL) | IGB_PHY_CTRL_RESTART_AN);
	assert_int_equal(m82576_carrier(g->m), was + 2);
	phy_wr(g, IGB_PHY_CTRL, IGB_PHY_CTRL_RESET);
	assert_int_equal(m82576_carrier(g->m), was + 4);
	/* A reset of the MAC does not affect the link. */
	rig_wr(g, IGB_CTRL, rig_rd(g, IGB_CTRL) | IGB_CTRL_RST);
	rig_wr(g, IGB_CTRL, rig_rd(g, IGB_CTRL) & ~IGB_CTRL_SLU);
	assert_int_equal(m82576_carrier(g->m), was + 4);
	rig_wr(g, IGB_CTRL, rig_rd(g, IGB_CTRL) | IGB_CTRL_SLU);
	rig_wr(g, IGB_CTRL, rig_rd(g, IGB_CTRL) & ~IGB_CTRL_SLU);
	assert_false(m82576_carrier(g->m) & 1);
	rig_wr(g, IGB_CTRL, rig_rd(g, IGB_CTRL) | IGB_CTRL_SLU);
	assert_true(m82576_carrier(g->m) & 1);
	/* A reset of the device takes the link down, until a driver requests it again. */
	vfu_rcu_offline();
	assert_int_equal(vfu_client_reset(g->c), 0);
	vfu_rcu_online();
	assert_false(m82576_carrier(g->m) & 1);
	/* A far end that is down does not affect this end's carrier. */
	m82576_set_link(g->m, false);
	rig_wr(g, IGB_CTRL, rig_rd(g, IGB_CTRL) | IGB_CTRL_SLU);
	assert_true(m82576_carrier(g->m) & 1);
	assert_false(rig_rd(g, IGB_STATUS) & IGB_STATUS_LU);
	rig_disconnect(g);
	assert_false(m82576_carrier(g->m) & 1);
	rig_connect(g);
	assert_false(m82576_carrier(g->m) & 1);
}

static void
mask_and_cause_registers_set_clear_and_alias(void **state)
{
	struct rig *g = *state;

	rig_wr(g, IGB_IMS, 0x5);
	rig_wr(g, IGB_IMS, 0x10);
	assert_int_equal(rig_rd(g, IGB_IMS), 0x15);
	rig_wr(g, IGB_IMC, 0x4);
	assert_int_equal(rig_rd(g, IGB_IMS), 0x11);
	assert_int_equal(rig_rd(g, IGB_ICR_BLOCK + 8), 0x11); /* its other address */
	rig_wr(g, IGB_ICR_BLOCK + 16, 0x22);
	assert_int_equal(rig_rd(g, IGB_IAM), 0x22);
	rig_wr(g, IGB_EIMS, 0x3);
	rig_wr(g, IGB_EIMC, 0x1);
	assert_int_equal(rig_rd(g, IGB_EIMS), 2);
	assert_int_equal(rig_rd(g, IGB_IMC), 0x11);
	rig_wr(g, IGB_IMC, ~0u);
	/* A read of ICR masks the bits of IAM; with NSICR also if there was no cause. */
	rig_rd(g, IGB_ICR);
	rig_wr(g, IGB_IAM, 0x4);
	rig_wr(g, IGB_IMS, 0x14);
	assert_int_equal(rig_rd(g, IGB_ICR), 0);
	assert_int_equal(rig_rd(g, IGB_IMS), 0x14);
	rig_wr(g, IGB_GPIE, IGB_GPIE_NSICR);
	assert_int_equal(rig_rd(g, IGB_ICR), 0);
	assert_int_equal(rig_rd(g, IGB_IMS), 0x10);
	rig_wr(g, IGB_GPIE, 0);
	rig_wr(g, IGB_IMC, ~0u);
	rig_wr(g, IGB_IMS, ~0u); /* only the bits that exist */
	assert_int_equal(rig_rd(g, IGB_IMS), 0x77DCFBFD);
	rig_wr(g, IGB_IMC, ~0u);
	rig_wr(g, IGB_EIMS, ~0u);
	assert_int_equal(rig_rd(g, IGB_EIMS), 0xC000FFFF);
	rig_wr(g, IGB_EIMC, ~0u);
	rig_wr(g, IGB_GPIE, IGB_GPIE_MULTIPLE_MSIX);
	rig_wr(g, IGB_EIMS, ~0u);
	assert_int_equal(rig_rd(g, IGB_EIMS), 0x01FFFFFF);
	rig_wr(g, IGB_EICS, ~0u);
	assert_int_equal(rig_rd(g, IGB_EICR), 0x01FFFFFF);
	rig_wr(g, IGB_EIMC, ~0u);
	rig_wr(g, IGB_GPIE, 0);
	/* ICS sets, a write of 1 clears, and a read clears all (nothing is unmasked). */
	rig_wr(g, IGB_ICS, 0x14);
	rig_wr(g, IGB_ICR, 0x10);
	assert_int_equal(rig_rd(g, IGB_ICR), 0x4);
	assert_int_equal(rig_rd(g, IGB_ICR), 0);
	/* Aliases of queue registers. */
	rig_wr(g, IGB_RXQ_ALIAS_BASE + 0x200, 0x1000);
	assert_int_equal(rig_rd(g, IGB_RDBAL(2)), 0x1000);
	rig_wr(g, IGB_TDLEN(3), 0x400);
	assert_int_equal(rig_rd(g, IGB_TXQ_ALIAS_BASE + 0x308), 0x400);
	rig_wr(g, 0x00048, 0x12345678);
	assert_int_equal(rig_rd(g, IGB_RAL(1)), 0x12345678);
	rig_wr(g, IGB_MTA(127), 0x11);
	assert_int_equal(rig_rd(g, 0x003FC), 0x11);
	rig_wr(g, 0x00604, 0x22);
	assert_int_equal(rig_rd(g, IGB_VFTA(1)), 0x22);
	/* Bits that do not exist. */
	rig_wr(g, IGB_FCRTL, ~0u);
	assert_int_equal(rig_rd(g, IGB_FCRTL), 0x8000FFF8);
	rig_wr(g, IGB_GCR, 0);
	assert_int_equal(rig_rd(g, IGB_GCR), 0x06800000);
	/* I/O space reaches the same registers. */
	vfu_rcu_offline();
	uint32_t v = IGB_TDLEN(3);
	assert_int_equal(vfu_client_region_write(g->c, 2, 0, &v, 4), 0);
	assert_int_equal(vfu_client_region_read(g->c, 2, 4, &v, 4), 0);
	assert_int_equal(v, 0x400);
	/* Accesses that no bus makes. */
	assert_true(vfu_client_region_write(g->c, 0, 2, &v, 4) < 0);
	assert_true(vfu_client_region_write(g->c, 0, 0, &v, 2) < 0);
	assert_true(vfu_client_region_read(g->c, 0, IGB_BAR0_SIZE - 2, &v, 4) < 0);
	vfu_rcu_online();
}

static void
configuration_space_has_bars_and_capabilities(void **state)
{
	struct rig *g = *state;
	uint32_t at, seen = 0, n;

	assert_int_equal(rig_cfg_rd(g, 0, 4), IGB_DEV_ID_82576 << 16 | IGB_VENDOR_ID_INTEL);
	assert_int_equal(rig_cfg_rd(g, 6, 2), 0x0010); /* there are capabilities */
	assert_int_equal(rig_cfg_rd(g, 10, 2), 0x0200);
	rig_cfg_wr(g, 0x10, ~0u, 4);
	assert_int_equal(rig_cfg_rd(g, 0x10, 4), ~(IGB_BAR0_SIZE - 1u));
	rig_cfg_wr(g, 0x18, ~0u, 4);
	assert_int_equal(rig_cfg_rd(g, 0x18, 4), (uint32_t)~0x1F | 1);
	rig_cfg_wr(g, 0x1C, ~0u, 4);
	assert_int_equal(rig_cfg_rd(g, 0x1C, 4), ~(IGB_BAR3_SIZE - 1u));
	rig_cfg_wr(g, 0x20, ~0u, 4);
	assert_int_equal(rig_cfg_rd(g, 0x20, 4), 0);
	for (at = rig_cfg_rd(g, 0x34, 1), n = 0; at != 0 && n < 16;
			at = rig_cfg_rd(g, at + 1, 1), n++) {
		uint32_t id = rig_cfg_rd(g, at, 1);

		seen |= 1u << id;
		if (id == 0x11) {
			assert_int_equal(rig_cfg_rd(g, at + 2, 2) & 0x7FF, IGB_MSIX_VECTORS - 1);
			assert_int_equal(rig_cfg_rd(g, at + 8, 4), IGB_MSIX_PBA_OFFSET | 3);
		}
		if (id == IGB_VNDR_CAP_ID) {
			assert_int_equal(rig_cfg_rd(g, at + IGB_VNDR_CAP_SIG, 4),
					IGB_VNDR_CAP_SIGNATURE);
			assert_int_equal(rig_cfg_rd(g, at + IGB_VNDR_CAP_SPEED, 4), 1000);
			assert_int_equal(rig_cfg_rd(g, at + 2, 1), IGB_VNDR_CAP_LEN);
			assert_int_equal(rig_cfg_rd(g, at + IGB_VNDR_CAP_VERSION, 4), 2);
			assert_int_equal(rig_cfg_rd(g, at + IGB_VNDR_CAP_ADDR_BITS, 4), 64);
		}
	}
	assert_int_equal(seen, 1u << 1 | 1u << 5 | 1u << 9 | 1u << 16 | 1u << 17);
	/* The MSI-X table stores writes; the PBA is read-only. */
	vfu_rcu_offline();
	uint32_t v = 0xFEE00001;
	assert_int_equal(vfu_client_region_write(g->c, 3, 0x10, &v, 4), 0);
	assert_int_equal(vfu_client_region_read(g->c, 3, 0x10, &v, 4), 0);
	assert_int_equal(v, 0xFEE00000);
	assert_int_equal(vfu_client_region_read(g->c, 3, 0x1C, &v, 4), 0);
	assert_int_equal(v, 1);
	vfu_rcu_online();
}

/*
 * Each bit of configuration space is writable, 1 or 0. A bit that is none of these would remain
 * unnoticed.
 */
static void
configuration_bits_are_writable_or_fixed(void **state)
{
	static const struct {
		uint32_t at, writable, fixed;
	} dwords[] = {
		{ 0x00, 0, IGB_DEV_ID_82576 << 16 | IGB_VENDOR_ID_INTEL },
		{ 0x04, 0x0547, 0x00100000 }, /* command, status */
		{ 0x08, 0, 0x02000001 },      /* Ethernet, revision 1 */
		{ 0x0C, 0xFF, 0 },            /* cache line size */
		{ 0x10, ~(IGB_BAR0_SIZE - 1u), 0 },
		{ 0x14, ~(IGB_BAR1_SIZE - 1u), 0 },
		{ 0x18, ~0x1Fu, 1 },
		{ 0x1C, ~(IGB_BAR3_SIZE - 1u), 0 },
		{ 0x2C, 0, 0xA03C8086 }, /* subsystem */
		{ 0x34, 0, 0x40 },
		{ 0x3C, 0xFF, 0x0100 },  /* interrupt line, pin A */
		{ 0x40, 0, 0x00235001 }, /* power management */
		{ 0x44, 0x3, 0x8 },
		{ 0x50, 0x00710000, 0x01807005 }, /* MSI: 64 bits, mask */
		{ 0x54, 0xFFFFFFFC, 0 },
		{ 0x58, 0xFFFFFFFF, 0 },
		{ 0x5C, 0xFFFF, 0 },
		{ 0x60, 0x1, 0 },
		{ 0x70, 0xC0000000, (IGB_MSIX_VECTORS - 1) << 16 | 0xA011 },
		{ 0x74, 0, 3 },
		{ 0x78, 0, IGB_MSIX_PBA_OFFSET | 3 },
		{ 0xA0, 0, 0x0002E010 }, /* PCI Express */
		{ 0xA4, 0, 0x10008002 },
		{ 0xA8, 0x7FFF, 0 }, /* and bit 15, the reset, reads 0 */
		{ 0xAC, 0, 0x41 },
		{ 0xB0, 0x01FB, 0x00410000 },
		{ 0xC4, 0, 0x1F },
		{ 0xC8, 0x1F, 0 },
		{ 0xE0, 0, IGB_VNDR_CAP_LEN << 16 | IGB_VNDR_CAP_ID },
		{ 0xE0 + IGB_VNDR_CAP_SIG, 0, IGB_VNDR_CAP_SIGNATURE },
		{ 0xE0 + IGB_VNDR_CAP_SPEED, 0, 1000 },
		{ 0xE0 + IGB_VNDR_CAP_VERSION, 0, 2 },
		{ 0xE0 + IGB_VNDR_CAP_ADDR_BITS, 0, 64 },
	};
	struct rig *g = *state;
	unsigned int n = 0;

	for (uint32_t at = 0; at < 0x100; at += 4) {
		uint32_t ones, zeros;

		rig_cfg_wr(g, at, at == 0xA8 ? 0xFFFF7FFF : 0xFFFFFFFF, 4);
		ones = rig_cfg_rd(g, at, 4);
		rig_cfg_wr(g, at, 0, 4);
		zeros = rig_cfg_rd(g, at, 4);
		if (n == sizeof(dwords) / sizeof(dwords[0]) || dwords[n].at != at) {
			if ((ones | zeros) != 0)
				fail_msg("at 0x%x: 0x%x, 0x%x", at, ones, zeros);
			continue;
		}
		if ((ones ^ zeros) != dwords[n].writable || zeros != dwords[n].fixed)
			fail_msg("at 0x%x: 0x%x, 0x%x", at, ones, zeros);
		n++;
	}
	assert_int_equal(n, sizeof(dwords) / sizeof(dwords[0]));
}

static void
statistics_clear_on_read_and_latch_high_half(void **state)
{
	struct rig *g = *state;
	uint8_t f[128] = { 0 };
	uint32_t len = rig_ipv4(f, 17, 60);
	struct m82576_stats st;

	rig_rx_start(g, 0, RIG_ADV);
	rig_rx_on(g, IGB_RCTL_BAM | IGB_RCTL_SECRC);
	rig_send_in(g, f, len, 0);
	rig_send_in(g, f, len, 0);
	assert_int_equal(rig_rd(g, IGB_GPRC), 2);
	assert_int_equal(rig_rd(g, IGB_GPRC), 0);
	assert_int_equal(rig_rd(g, IGB_TPR), 2);
	assert_int_equal(rig_rd(g, IGB_PRC127), 2);
	assert_int_equal(rig_rd(g, IGB_GORCL), 2 * (len + 4));
	assert_int_equal(rig_rd(g, IGB_GORCH), 0);
	rig_send_in(g, f, len, M82576_FRAME_BAD_FCS);
	assert_int_equal(rig_rd(g, IGB_CRCERRS), 1);
	rig_send_in(g, f, 59, 0);
	assert_int_equal(rig_rd(g, IGB_RUC), 1);
	assert_int_equal(rig_rd(g, IGB_TPR), 2); /* good or bad */
	assert_int_equal(rig_rd(g, IGB_TORL), 3 * (len + 4) + 63);
	m82576_get_stats(g->m, &st);
	assert_int_equal(st.rx_frames, 2);
	assert_int_equal(st.rx_bad, 2);
	assert_true(st.client && st.link);
	/* More than 32 bits: reading the low half latches the high half. */
	g->m->rxc.stat[M82576_STAT(IGB_GORCL)] += 5ull << 32;
	assert_int_equal(rig_rd(g, IGB_GORCL), 0);
	assert_int_equal(rig_rd(g, IGB_GORCH), 5);
	assert_int_equal(rig_rd(g, IGB_GORCH), 0);
	/* A reset clears the registers, but not the owner's counters. */
	rig_send_in(g, f, len, 0);
	rig_wr(g, IGB_CTRL, IGB_CTRL_RST);
	assert_int_equal(rig_rd(g, IGB_GPRC), 0);
	m82576_get_stats(g->m, &st);
	assert_int_equal(st.rx_frames, 3);
}

/**
 * Access a register.
 *
 * @return true if the access counts as the client setting up its port
 */
static bool
busy_after(struct rig *g, uint32_t off, bool write)
{
	uint64_t before = m82576_busy_at(g->m);

	if (write)
		rig_wr(g, off, 0);
	else
		rig_rd(g, off);
	return m82576_busy_at(g->m) != before;
}

static void
access_counts_as_set_up_but_for_tails_interrupts_and_statistics(void **state)
{
	static const uint32_t set_up[] = { IGB_CTRL, IGB_STATUS, IGB_RCTL, IGB_TCTL, IGB_MTA(3),
		IGB_RAL(0), IGB_VFTA(7), IGB_MDIC, IGB_RETA(0), IGB_RXQ(3, IGB_Q_DCTL),
		IGB_TXQ(15, IGB_Q_LEN), IGB_RXQ_ALIAS_BASE };
	static const uint32_t routine[] = { IGB_RDT(0), IGB_RDT(15), IGB_TDT(0), IGB_TDT(15),
		IGB_RXQ_ALIAS_BASE + IGB_Q_TAIL, IGB_TXQ_ALIAS_BASE + 0x300 + IGB_Q_TAIL, IGB_ICR,
		IGB_IMS, IGB_ICR_BLOCK, IGB_EICR, IGB_EITR(24), IGB_STATS_FIRST, IGB_GPRC,
		IGB_STATS_LAST, IGB_RXQ(2, IGB_Q_RQDPC) };
	struct rig *g = *state;
	unsigned int i;

	for (i = 0; i < sizeof(set_up) / sizeof(set_up[0]); i++) {
		assert_true(busy_after(g, set_up[i], false));
		assert_true(busy_after(g, set_up[i], true));
	}
	for (i = 0; i < sizeof(routine) / sizeof(routine[0]); i++) {
		assert_false(busy_after(g, routine[i], false));
		assert_false(busy_after(g, routine[i], true));
	}
}

/* A process of another PID namespace has number 0: two such processes must not count as one. */
static void
client_without_a_number_is_busy_at_one_device(void **state)
{
	struct m82576_params p = { .name = "t", .speed_mbps = 1000 };
	struct m82576 *m[2];
	char err[VFU_ERR_LEN], path[64];
	unsigned int i;

	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/tmp/igb-test-%d-%u.sock", (int)getpid(), i);
		p.socket = path;
		assert_int_equal(m82576_create(&p, &m[i], err), 0);
	}
	m82576_note_busy(m[0]);
	assert_int_not_equal(m82576_busy_at(m[0]), 0);
	assert_int_equal(m82576_busy_at(m[1]), 0);
	for (i = 0; i < 2; i++)
		m82576_destroy(m[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(client_without_a_number_is_busy_at_one_device),
		cmocka_unit_test_setup_teardown(registers_have_datasheet_reset_values, rig_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(reset_clears_what_the_datasheet_says, rig_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(semaphores_are_exclusive_and_freed_on_disconnect,
				rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(nvm_words_and_checksum_are_valid, rig_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(nvm_is_written_by_its_pins, rig_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(phy_reports_link_latches_loss_and_resets, rig_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(link_has_the_best_mode_of_both_ends, rig_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(self_test_passes_and_logs_nothing, setup_counted,
				rig_teardown),
		cmocka_unit_test_setup_teardown(carrier_follows_client_set_link_up_and_phy_power,
				rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(mask_and_cause_registers_set_clear_and_alias,
				rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(configuration_space_has_bars_and_capabilities,
				rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(configuration_bits_are_writable_or_fixed, rig_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(statistics_clear_on_read_and_latch_high_half,
				rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(
				access_counts_as_set_up_but_for_tails_interrupts_and_statistics,
				rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
