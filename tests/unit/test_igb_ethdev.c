/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the driver's control path (drivers/net/igb) on the fake device of igb_fake.h: the exact
 * values that the driver writes to registers, and its interpretation of the values that it reads.
 * Subjects: configuration, information, NVM, statistics, link, device arguments, calls that the
 * driver refuses.
 *
 * Each case configures the port by ethdev calls and compares fake.regs[]; most cases do so again
 * after a restart of the port. A hostile device is the subject of test_igb_rx.c, test_igb_tx.c and
 * test_igb_lost.c.
 */

#include "igb_fake.h"

#include <rte_malloc.h>

#include "gantry_dma_reach.h"

/* The linker replaces the function of EAL (--wrap). */
static bool secondary;

enum rte_proc_type_t __wrap_rte_eal_process_type(void);

enum rte_proc_type_t
__wrap_rte_eal_process_type(void)
{
	return secondary ? RTE_PROC_SECONDARY : RTE_PROC_PRIMARY;
}

static void
register_dump_needs_full_length(void **state)
{
	struct rte_dev_reg_info info = { 0 };
	uint32_t *values;

	assert_int_equal(rte_eth_dev_get_reg_info(PORT, &info), 0);
	values = calloc(info.length, info.width);
	info.data = values;
	assert_int_equal(rte_eth_dev_get_reg_info(PORT, &info), 0);
	assert_int_equal(info.version, IGB_DEV_ID_82576);
	assert_int_equal(values[1] & IGB_STATUS_LU, IGB_STATUS_LU);
	info.length--;
	assert_int_equal(rte_eth_dev_get_reg_info(PORT, &info), -ENOTSUP);
	free(values);
}

static void
register_access_is_bounded(void **state)
{
	uint32_t value;

	assert_int_equal(rte_pmd_gantry_igb_reg_write(PORT, IGB_RDH(3), 77), 0);
	assert_int_equal(*reg(IGB_RDH(3)), 77);
	assert_int_equal(rte_pmd_gantry_igb_reg_read(PORT, IGB_RDH(3), &value), 0);
	assert_int_equal(value, 77);
	assert_int_equal(rte_pmd_gantry_igb_reg_read(PORT, IGB_RDH(3) + 2, &value), -EINVAL);
	assert_int_equal(rte_pmd_gantry_igb_reg_read(PORT, IGB_BAR0_SIZE, &value), -EINVAL);
	assert_int_equal(rte_pmd_gantry_igb_reg_read(PORT + 1, 0, &value), -ENODEV);
}

static void
unsupported_configurations_are_refused(void **state)
{
	static const struct {
		struct rte_eth_conf conf;
		int ret;
	} t[] = {
		{ { .rxmode.mq_mode = RTE_ETH_MQ_RX_DCB }, -EINVAL },
		{ { .txmode.mq_mode = RTE_ETH_MQ_TX_DCB }, -EINVAL },
		{ { .link_speeds = RTE_ETH_LINK_SPEED_FIXED }, -EINVAL },
		{ { .link_speeds = RTE_ETH_LINK_SPEED_FIXED | RTE_ETH_LINK_SPEED_100M |
						  RTE_ETH_LINK_SPEED_1G },
				-EINVAL },
		{ { .link_speeds = RTE_ETH_LINK_SPEED_FIXED | RTE_ETH_LINK_SPEED_100M }, 0 },
		{ { .link_speeds = RTE_ETH_LINK_SPEED_100M | RTE_ETH_LINK_SPEED_1G }, 0 },
		{ { .link_speeds = RTE_ETH_LINK_SPEED_10G }, -EINVAL },
		{ { .lpbk_mode = 1 }, 0 },
		{ { .lpbk_mode = 2 }, -ENOTSUP },
		{ { .dcb_capability_en = 1 }, -ENOTSUP },
		{ { .intr_conf.rxq = 1 }, -ENOTSUP },
	};
	unsigned int i;

	for (i = 0; i < RTE_DIM(t); i++)
		assert_int_equal(rte_eth_dev_configure(PORT, 1, 1, &t[i].conf), t[i].ret);
}

static void
device_info_matches_82576(void **state)
{
	struct rte_eth_dev_info info;
	char version[16];

	assert_int_equal(rte_eth_dev_info_get(PORT, &info), 0);
	assert_int_equal(info.max_rx_queues, 16);
	assert_int_equal(info.max_tx_queues, 16);
	assert_int_equal(info.max_mac_addrs, 24);
	assert_int_equal(info.max_mtu, 9728 - 22);
	assert_int_equal(info.max_rx_pktlen, 9724);
	assert_int_equal(info.reta_size, 128);
	assert_int_equal(info.hash_key_size, 40);
	assert_int_equal(info.rx_desc_lim.nb_align, 8);
	assert_int_equal(info.rx_desc_lim.nb_max, 4096);
	assert_int_equal(info.tx_desc_lim.nb_min, 32);
	assert_int_equal(info.tx_desc_lim.nb_seg_max, 64);
	assert_int_equal(info.default_rxconf.rx_thresh.wthresh, 1);
	assert_int_equal(info.default_txconf.tx_thresh.pthresh, 8);
	assert_false(info.dev_capa & RTE_ETH_DEV_CAPA_FLOW_RULE_KEEP);
	assert_int_equal(info.speed_capa,
			RTE_ETH_LINK_SPEED_10M_HD | RTE_ETH_LINK_SPEED_10M |
					RTE_ETH_LINK_SPEED_100M_HD | RTE_ETH_LINK_SPEED_100M |
					RTE_ETH_LINK_SPEED_1G);
	/* Word 5 contains the revision of the image. */
	assert_int_equal(igb_ethdev_remove(&fake.device), 0);
	fake.nvm[5] = 0x1A57;
	fake.nvm[IGB_NVM_CHECKSUM] -= 0x1A57;
	assert_int_equal(probe(), 0);
	assert_int_equal(rte_eth_dev_fw_version_get(PORT, version, sizeof(version)), 0);
	assert_string_equal(version, "1.a5");
	assert_int_equal(rte_eth_dev_fw_version_get(PORT, version, 5), 0);
	assert_int_equal(rte_eth_dev_fw_version_get(PORT, version, 4), 5);
}

/* If a node has no memory, the driver allocates from another node. */
static void
memory_of_a_node_that_has_none_comes_from_another(void **state)
{
	void *p = igb_zmalloc("test", 64, 1);

	assert_non_null(p);
	rte_free(p);
	assert_int_equal(igb_numa_node(&rte_eth_devices[PORT], SOCKET_ID_ANY), SOCKET_ID_ANY);
	assert_int_equal(igb_numa_node(&rte_eth_devices[PORT], 1), 1);
	fake.device.numa_node = 2;
	assert_int_equal(igb_numa_node(&rte_eth_devices[PORT], SOCKET_ID_ANY), 2);
}

static void
nvm_is_read_within_its_bounds(void **state)
{
	struct rte_dev_eeprom_info info = { .length = 128 };
	uint16_t words[64];

	info.data = words;
	assert_int_equal(rte_eth_dev_get_eeprom_length(PORT), 128);
	assert_int_equal(rte_eth_dev_get_eeprom(PORT, &info), 0);
	assert_memory_equal(words, fake.nvm, 128);
	assert_int_equal(info.magic, 0x10C98086);
	fake.nvm[62] = 0x1234;
	info.offset = 124;
	info.length = 4;
	assert_int_equal(rte_eth_dev_get_eeprom(PORT, &info), 0);
	assert_memory_equal(words, &fake.nvm[62], 4);
	info.length = 6;
	assert_int_equal(rte_eth_dev_get_eeprom(PORT, &info), -EINVAL);
	info.offset = 128;
	info.length = 2;
	assert_int_equal(rte_eth_dev_get_eeprom(PORT, &info), -EINVAL);
	info.offset = 130;
	assert_int_equal(rte_eth_dev_get_eeprom(PORT, &info), -EINVAL);
	info.offset = 1;
	assert_int_equal(rte_eth_dev_get_eeprom(PORT, &info), -EINVAL);
	info.offset = 2;
	info.length = 3;
	assert_int_equal(rte_eth_dev_get_eeprom(PORT, &info), -EINVAL);
	assert_int_equal(*reg(IGB_SW_FW_SYNC), 0);
	assert_int_equal(*reg(IGB_SWSM), 0);
}

static void
statistics_registers_are_added_up(void **state)
{
	static const struct {
		const char *name;
		uint32_t at;
		bool error, wide;
	} t[] = {
		{ "rx_crc_errors", 0x4000, true, false },
		{ "rx_align_errors", 0x4004, true, false },
		{ "rx_symbol_errors", 0x4008, false, false },
		{ "rx_phy_errors", 0x400C, true, false },
		{ "rx_length_errors", 0x4040, true, false },
		{ "rx_undersize_errors", 0x40A4, true, false },
		{ "rx_fragment_errors", 0x40A8, true, false },
		{ "rx_oversize_errors", 0x40AC, true, false },
		{ "rx_jabber_errors", 0x40B0, true, false },
		{ "rx_hw_good_packets", 0x4074, false, false },
		{ "rx_hw_good_bytes", 0x4088, false, true },
		{ "tx_hw_good_bytes", 0x4090, false, true },
		{ "tx_hw_good_packets", 0x4080, false, false },
		{ "rx_total_bytes", 0x40C0, false, true },
		{ "tx_total_bytes", 0x40C8, false, true },
		{ "tx_tso_packets", 0x40F8, false, false },
		{ "rx_size_64_packets", 0x405C, false, false },
		{ "tx_size_1024_to_max_packets", 0x40EC, false, false },
		{ "interrupt_assert_count", 0x4100, false, false },
	};
	struct rte_eth_stats s;
	uint64_t errors = 0;
	unsigned int i;

	begin(IGB_MAX_QUEUES, 1, NULL);
	for (i = 0; i < RTE_DIM(t); i++) {
		*reg(t[i].at) = 100 + i;
		if (t[i].wide)
			*reg(t[i].at + 4) = 2;
		errors += t[i].error ? 100 + i : 0;
		assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
		assert_int_equal(s.ierrors, errors);
		assert_true(xstat(t[i].name) == (t[i].wide ? UINT64_C(2) << 32 : 0) + 100 + i);
		*reg(t[i].at) = 1;
		errors += t[i].error;
		assert_true(xstat(t[i].name) == (t[i].wide ? UINT64_C(2) << 32 : 0) + 101 + i);
	}
	/* A counter of all ones is a valid value if the device is alive. */
	*reg(IGB_CRCERRS) = UINT32_MAX;
	assert_true(xstat("rx_crc_errors") == UINT64_C(101) + UINT32_MAX);
	*reg(IGB_MPC) = 3;
	*reg(IGB_RQDPC(0)) = 4;
	*reg(IGB_RQDPC(15)) = 5;
	assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
	assert_int_equal(s.imissed, 4 + 3 + 5);
	assert_int_equal(xstat("rx_q0_no_descriptor_packets"), 4);
	*reg(IGB_RQDPC(15)) = 5;
	assert_int_equal(xstat("rx_q15_no_descriptor_packets"), 10);
	/* Packets that the controller dropped are errors of transmission. */
	*reg(IGB_HTDPMC) = 6;
	assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
	assert_int_equal(s.oerrors, 6);
	assert_int_equal(s.ierrors, errors + UINT32_MAX);
	*reg(IGB_HTDPMC) = 1;
	assert_int_equal(xstat("tx_discarded_packets"), 7);
	/* A reset clears the sums and the registers. */
	*reg(IGB_MPC) = 3;
	*reg(IGB_RQDPC(15)) = 5;
	*reg(IGB_ROC) = *reg(IGB_GPTC) = *reg(IGB_HTDPMC) = 5;
	assert_int_equal(rte_eth_xstats_reset(PORT), 0);
	assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
	assert_int_equal(s.oerrors, 0);
	assert_int_equal(s.imissed, 0);
	assert_int_equal(s.ierrors, 0);
	for (i = 0; i < RTE_DIM(t); i++)
		assert_int_equal(xstat(t[i].name), 0);
}

static void
extended_statistics_have_one_name_each(void **state)
{
	struct rte_eth_xstat_name names[IGB_MAX_HW_STATS + IGB_MAX_QUEUES], one;
	struct rte_eth_xstat values[RTE_DIM(names)];
	uint64_t id, v;
	struct rte_eth_dev *dev;
	int n, i, k;

	begin(3, 1, NULL);
	dev = &rte_eth_devices[PORT];
	n = igb_xstats_get_names(dev, NULL, 0);
	assert_int_equal(igb_xstats_get(dev, NULL, 0), n);
	assert_int_equal(igb_xstats_get_names(dev, names, n - 1), n);
	memset(names, 0, sizeof(names));
	assert_int_equal(igb_xstats_get_names(dev, names, n), n);
	for (i = 0; i < n; i++) {
		assert_true(names[i].name[0] != '\0');
		for (k = 0; k < i; k++)
			assert_string_not_equal(names[i].name, names[k].name);
		id = i;
		assert_int_equal(igb_xstats_get_names_by_id(dev, &id, &one, 1), 1);
		assert_string_equal(one.name, names[i].name);
	}
	assert_string_equal(names[n - 3].name, "rx_q0_no_descriptor_packets");
	assert_string_equal(names[n - 1].name, "rx_q2_no_descriptor_packets");
	*reg(IGB_RQDPC(2)) = 8;
	*reg(IGB_TPT) = 9; /* not part of the basic statistics */
	memset(values, 0xFF, sizeof(values));
	assert_int_equal(igb_xstats_get(dev, values, n - 1), n);
	assert_int_equal(values[0].id, UINT64_MAX);
	assert_int_equal(igb_xstats_get(dev, values, n), n);
	for (i = 0; i < n; i++) {
		const char *name = names[i].name;

		assert_int_equal(values[i].id, i);
		assert_int_equal(values[i].value,
				(i == n - 1) * 8 + (strcmp(name, "tx_total_packets") == 0) * 9);
	}
	id = n - 1;
	assert_int_equal(igb_xstats_get_by_id(dev, &id, &v, 1), 1);
	assert_int_equal(v, values[n - 1].value);
	id = n;
	assert_int_equal(igb_xstats_get_by_id(dev, &id, &v, 1), -EINVAL);
	assert_int_equal(igb_xstats_get_names_by_id(dev, &id, &one, 1), -EINVAL);
	assert_int_equal(igb_xstats_get_by_id(dev, NULL, NULL, 0), n);
	assert_int_equal(igb_xstats_get_names_by_id(dev, NULL, NULL, 0), n);
	assert_int_equal(igb_xstats_get_by_id(dev, &id, NULL, 1), n);
	assert_int_equal(igb_xstats_get_by_id(dev, NULL, &v, 1), n);
	assert_int_equal(igb_xstats_get_names_by_id(dev, &id, NULL, 1), n);
}

static void
packets_are_counted_by_queue(void **state)
{
	struct rte_mbuf *m[4];
	struct rte_eth_stats s;
	unsigned int i;

	begin(1, 1, NULL);
	for (i = 0; i < 4; i++) {
		m[i] = rte_pktmbuf_alloc(pool);
		rte_pktmbuf_append(m[i], 60 + i);
	}
	m[2]->pkt_len = m[2]->data_len = 10; /* shorter than the minimum */
	assert_int_equal(rte_eth_tx_burst(PORT, 0, m, 4), 4);
	assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
	assert_int_equal(s.opackets, 3);
	assert_int_equal(s.obytes, 60 + 61 + 63);
	assert_int_equal(s.oerrors, 1);
	assert_int_equal(xstat("tx_q0_packets"), 3);
	assert_int_equal(xstat("tx_q0_bytes"), 184);
	assert_int_equal(xstat("rx_q0_errors"), 0);
	rxq()->ring[0].wb.length = 100;
	rxq()->ring[0].wb.staterr = GOOD;
	rxq()->ring[1].wb.length = 0;
	rxq()->ring[1].wb.staterr = GOOD;
	assert_int_equal(rte_eth_rx_burst(PORT, 0, m, 4), 1);
	rte_pktmbuf_free(m[0]);
	assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
	assert_int_equal(xstat("rx_q0_packets"), 1);
	assert_int_equal(xstat("rx_q0_bytes"), 100);
	assert_int_equal(xstat("rx_q0_errors"), 1);
	assert_int_equal(s.ierrors, 1);
}

#define PHY_DOWN IGB_PHY_CTRL_POWER_DOWN

static void
link_speeds_are_advertised(void **state)
{
	static const struct {
		uint32_t speeds;
		uint16_t adv, gig;
	} t[] = {
		{ 0, 0x1E0, 0x200 },
		{ RTE_ETH_LINK_SPEED_10M_HD, 0x020, 0 },
		{ RTE_ETH_LINK_SPEED_10M, 0x040, 0 },
		{ RTE_ETH_LINK_SPEED_100M_HD, 0x080, 0 },
		{ RTE_ETH_LINK_SPEED_100M, 0x100, 0 },
		{ RTE_ETH_LINK_SPEED_1G, 0, 0x200 },
		{ RTE_ETH_LINK_SPEED_1G | RTE_ETH_LINK_SPEED_FIXED, 0, 0x200 },
		{ RTE_ETH_LINK_SPEED_10M | RTE_ETH_LINK_SPEED_FIXED, 0x040, 0 },
	};
	const uint16_t adv = 0x8C01, gig = 0x0100; /* bits that the driver must not change */
	struct rte_eth_conf conf = { .link_speeds = 0 };
	unsigned int i;

	for (i = 0; i < RTE_DIM(t); i++) {
		conf.link_speeds = t[i].speeds;
		fake.phy[IGB_PHY_AUTONEG_ADV] = adv | 0x1E0;
		fake.phy[IGB_PHY_1000T_CTRL] = gig | 0x200;
		fake.phy[IGB_PHY_CTRL] = PHY_DOWN;
		begin(1, 1, &conf);
		assert_int_equal(fake.phy[IGB_PHY_AUTONEG_ADV], adv | t[i].adv);
		assert_int_equal(fake.phy[IGB_PHY_1000T_CTRL], gig | t[i].gig);
		assert_int_equal(fake.phy[IGB_PHY_CTRL],
				IGB_PHY_CTRL_AUTONEG_EN | IGB_PHY_CTRL_RESTART_AN);
		assert_int_equal(*reg(IGB_CTRL) &
						(IGB_CTRL_SLU | IGB_CTRL_FD | IGB_CTRL_FRCSPD |
								IGB_CTRL_FRCDPLX),
				IGB_CTRL_SLU | IGB_CTRL_FD);
		assert_int_equal(rte_eth_dev_stop(PORT), 0);
		assert_true(fake.phy[IGB_PHY_CTRL] & PHY_DOWN);
		assert_false(*reg(IGB_CTRL) & IGB_CTRL_SLU);
	}
}

static void
link_that_is_as_asked_for_is_left_alone(void **state)
{
	struct rte_eth_dev *dev;
	uint16_t value;
	unsigned int i;

	begin(1, 1, NULL);
	dev = &rte_eth_devices[PORT];
	for (i = 0; i < 6; i++) {
		fake.phy[IGB_PHY_AUTONEG_ADV] = i == 1 ? 0x1C0 : 0x1E0;
		fake.phy[IGB_PHY_1000T_CTRL] = i == 2 ? 0 : 0x200;
		fake.phy[IGB_PHY_CTRL] = (i == 3 ? 0 : IGB_PHY_CTRL_AUTONEG_EN) |
				(i == 4 ? PHY_DOWN : 0);
		fake.no_link = i == 5;
		assert_int_equal(igb_link_setup(igb_hw_of(dev), 0), 0);
		assert_int_equal(!!(fake.phy[IGB_PHY_CTRL] & IGB_PHY_CTRL_RESTART_AN), i != 0);
		assert_false(fake.phy[IGB_PHY_CTRL] & PHY_DOWN);
		assert_int_equal(fake.phy[IGB_PHY_AUTONEG_ADV], 0x1E0);
		assert_int_equal(fake.phy[IGB_PHY_1000T_CTRL], 0x200);
	}
	fake.no_link = false;
	/* A register that reads as 0 has been read. */
	fake.phy[IGB_PHY_CTRL] = 0;
	value = 1;
	assert_int_equal(igb_phy_read(igb_hw_of(dev), IGB_PHY_CTRL, &value), 0);
	assert_int_equal(value, 0);
	fake.no_phy = true;
	assert_int_equal(igb_link_setup(igb_hw_of(dev), 0), -EIO);
	assert_int_equal(igb_link_off(igb_hw_of(dev)), -EIO);
	fake.no_phy = false;
}

static void
link_state_is_what_the_device_says(void **state)
{
	struct rte_eth_link link;

	begin(1, 1, NULL);
	assert_int_equal(rte_eth_link_get_nowait(PORT, &link), 0);
	assert_int_equal(link.link_status, RTE_ETH_LINK_UP);
	assert_int_equal(link.link_speed, 1000);
	assert_int_equal(link.link_duplex, RTE_ETH_LINK_FULL_DUPLEX);
	assert_int_equal(link.link_autoneg, RTE_ETH_LINK_AUTONEG);
	fake.no_link = true;
	assert_int_equal(rte_eth_link_get_nowait(PORT, &link), 0);
	assert_int_equal(link.link_status, RTE_ETH_LINK_DOWN);
	assert_int_equal(link.link_speed, 0);
	fake.no_link = false;
	assert_int_equal(rte_eth_dev_set_link_down(PORT), 0);
	assert_true(fake.phy[IGB_PHY_CTRL] & PHY_DOWN);
	assert_int_equal(rte_eth_dev_set_link_up(PORT), 0);
	assert_false(fake.phy[IGB_PHY_CTRL] & PHY_DOWN);
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	/* The link of a stopped port is down, whatever the device reports, and remains down. */
	assert_int_equal(rte_eth_link_get_nowait(PORT, &link), 0);
	assert_int_equal(link.link_status, RTE_ETH_LINK_DOWN);
	fake.phy[IGB_PHY_CTRL] |= PHY_DOWN;
	assert_int_equal(rte_eth_dev_set_link_up(PORT), 0);
	assert_true(fake.phy[IGB_PHY_CTRL] & PHY_DOWN);
}

/* Put a vendor capability, like that of the software device, into configuration space. */
static void
put_cap(uint8_t at, uint8_t next, uint32_t signature, uint8_t len, uint32_t mbps, uint32_t version,
		uint32_t bits)
{
	fake.config[at] = IGB_VNDR_CAP_ID;
	fake.config[at + 1] = next;
	fake.config[at + 2] = len;
	memcpy(&fake.config[at + 4], &signature, 4);
	memcpy(&fake.config[at + 8], &mbps, 4);
	memcpy(&fake.config[at + 12], &version, 4);
	memcpy(&fake.config[at + 16], &bits, 4);
}

static void
vendor_capability_is_believed_only_as_far_as_it_goes(void **state)
{
	static const struct {
		uint32_t signature, mbps, version;
		uint8_t len;
		bool speed;
		uint32_t bits;
	} t[] = {
		{ IGB_VNDR_CAP_SIGNATURE, 10000, 2, 20, true, 40 },
		{ IGB_VNDR_CAP_SIGNATURE, 10000, 3, 20, true, 40 },
		{ IGB_VNDR_CAP_SIGNATURE, 10000, 1, 20, true, 64 },
		{ IGB_VNDR_CAP_SIGNATURE, 10000, 2, 19, true, 64 },
		{ IGB_VNDR_CAP_SIGNATURE, 10000, 2, 16, true, 64 },
		{ IGB_VNDR_CAP_SIGNATURE, 10000, 2, 15, false, 64 },
		{ IGB_VNDR_CAP_SIGNATURE + 1, 10000, 2, 20, false, 64 },
	};
	struct igb_hw hw = { .bus = &fake_ops, .ctl = igb_hw_of(&rte_eth_devices[PORT])->ctl };
	unsigned int i;

	fake.config[0x34] = 0x50;
	for (i = 0; i < RTE_DIM(t); i++) {
		hw.has_speed_cap = false;
		/* It follows a capability of another vendor. */
		put_cap(0x50, 0x80, 0x12345678, 20, 1, 2, 1);
		put_cap(0x80, 0, t[i].signature, t[i].len, t[i].mbps, t[i].version, 40);
		igb_hw_identify(&hw);
		assert_int_equal(hw.has_speed_cap, t[i].speed);
		assert_int_equal(hw.addr_bits, t[i].bits);
		if (t[i].speed)
			assert_int_equal(hw.cap_speed, 10000);
	}
	/* At the end of configuration space, and beyond it. */
	hw.has_speed_cap = false;
	memset(fake.config, 0, sizeof(fake.config));
	fake.config[0x34] = 0xEC;
	put_cap(0xEC, 0, IGB_VNDR_CAP_SIGNATURE, 20, 2500, 2, 40);
	igb_hw_identify(&hw);
	assert_true(hw.has_speed_cap);
	assert_int_equal(hw.addr_bits, 40);
	hw.has_speed_cap = false;
	fake.config[0xEE] = 21;
	igb_hw_identify(&hw);
	assert_false(hw.has_speed_cap);
}

static void
speed_beyond_1g_comes_from_capability(void **state)
{
	static const struct {
		uint32_t cap, status;
		bool has;
		uint32_t mbps;
	} t[] = {
		{ 0, 0, false, 10 },
		{ 0, 1, false, 100 },
		{ 0, 2, false, 1000 },
		{ 0, 3, false, 1000 },
		{ 10000, 2, true, 10000 },
		{ 10000, 1, true, 100 },
		{ 0, 2, true, 100000 },
		{ 100, 1, true, 100 },
		{ 101, 2, true, 101 },
		{ 50, 1, true, 50 },
		{ 10, 0, true, 10 },
		{ 11, 1, true, 11 },
		{ 5, 0, true, 5 },
		{ 5, 1, true, 100 },
	};
	struct igb_hw hw = { .bus = &fake_ops, .ctl = igb_hw_of(&rte_eth_devices[PORT])->ctl };
	bool up, full;
	uint32_t mbps;
	unsigned int i;

	for (i = 0; i < RTE_DIM(t); i++) {
		fake.speed = t[i].status;
		hw.has_speed_cap = t[i].has;
		hw.cap_speed = t[i].cap;
		igb_link_get(&hw, &up, &mbps, &full);
		assert_true(up && full);
		assert_int_equal(mbps, t[i].mbps);
	}
	hw.has_speed_cap = true;
	hw.cap_speed = 0;
	assert_true(igb_link_speed_capa(&hw) & RTE_ETH_LINK_SPEED_100G);
	hw.cap_speed = 10000;
	assert_true(igb_link_speed_capa(&hw) & RTE_ETH_LINK_SPEED_10G);
	assert_false(igb_link_speed_capa(&hw) & RTE_ETH_LINK_SPEED_100G);
	hw.has_speed_cap = false;
	assert_false(igb_link_speed_capa(&hw) & RTE_ETH_LINK_SPEED_10G);
}

static void
devargs_are_parsed_and_refused(void **state)
{
	static const struct {
		const char *args;
		bool vdev;
		int ret;
		struct igb_devargs want;
	} t[] = {
		{ NULL, false, 0, { .untested = false } },
		{ "", false, 0, { .untested = false } },
		{ "untested=1", false, 0, { .untested = true } },
		{ "untested=0", false, 0, { .untested = false } },
		{ "untested=2", false, -EINVAL, { .untested = false } },
		{ "untested", false, -EINVAL, { .untested = false } },
		{ "dma=strict", false, 0, { .dma = GANTRY_DMA_MODE_STRICT } },
		{ "dma=bounce,dma_debug=1", false, 0,
				{
						.dma = GANTRY_DMA_MODE_BOUNCE,
						.dma_debug = GANTRY_DMA_DEBUG_ON,
				} },
		{ "dma_debug=abort", false, 0, { .dma_debug = GANTRY_DMA_DEBUG_ABORT } },
		{ "dma_debug=0", false, 0, { .dma_debug = GANTRY_DMA_DEBUG_OFF } },
		{ "dma_debug=on", false, -EINVAL, { .untested = false } },
		{ "dma=[strict", false, -EINVAL, { .untested = false } },
		{ "dma=none", false, -EINVAL, { .untested = false } },
		{ "other=1", false, -EINVAL, { .untested = false } },
		{ "path=/tmp/a", false, -EINVAL, { .untested = false } },
		{ "path=/tmp/a", true, 0, { .path = "/tmp/a" } },
		{ "path=/a", true, 0, { .path = "/a" } },
		{ "path=/", true, -EINVAL, { .untested = false } },
		{ "path=tmp", true, -EINVAL, { .untested = false } },
		{ "", true, -EINVAL, { .untested = false } },
	};
	struct igb_devargs got;
	char longest[200] = "path=/";
	unsigned int i;

	for (i = 0; i < RTE_DIM(t); i++) {
		assert_int_equal(igb_devargs_parse("test", t[i].args, t[i].vdev, &got), t[i].ret);
		if (t[i].ret != 0)
			continue;
		assert_int_equal(got.untested, t[i].want.untested);
		assert_int_equal(got.dma, t[i].want.dma);
		assert_int_equal(got.dma_debug, t[i].want.dma_debug);
		assert_string_equal(got.path, t[i].want.path);
	}
	/* The longest path that a socket may have, and one byte more. */
	memset(longest + 6, 'a', 106);
	assert_int_equal(igb_devargs_parse("test", longest, true, &got), 0);
	assert_int_equal(strlen(got.path), 107);
	longest[112] = 'a';
	assert_int_equal(igb_devargs_parse("test", longest, true, &got), -EINVAL);
}

/*
 * A reset leaves no interrupt unmasked. CTRL_EXT.DRV_LOAD reports the driver to firmware until the
 * driver releases the device.
 */
static void
reset_masks_interrupts_and_release_clears_drv_load(void **state)
{
	struct igb_hw *hw = igb_hw_of(&rte_eth_devices[PORT]);
	uint32_t v[4];

	assert_true(*reg(IGB_CTRL_EXT) & IGB_CTRL_EXT_DRV_LOAD);
	*reg(IGB_IMS) = *reg(IGB_EIMS) = *reg(IGB_ICR) = UINT32_MAX;
	*reg(IGB_RCTL) = IGB_RCTL_RXEN;
	fake.nr_writes = 0;
	assert_int_equal(igb_hw_reset(hw), 0);
	assert_int_equal(*reg(IGB_IMS) | *reg(IGB_EIMS) | *reg(IGB_ICR), 0);
	assert_int_equal(writes_to(IGB_CTRL, v, 4), 2);
	assert_true(v[0] & IGB_CTRL_GIO_MASTER_DISABLE);
	assert_true(v[1] & IGB_CTRL_RST);
	assert_true(writes_to(IGB_RCTL, v, 4) > 0);
	assert_int_equal(v[0], 0);
	*reg(IGB_IMS) = 1;
	igb_hw_release(hw);
	assert_int_equal(*reg(IGB_IMS), 0);
	assert_false(*reg(IGB_CTRL_EXT) & IGB_CTRL_EXT_DRV_LOAD);
}

/*
 * A call that needs the device returns an error if the device was removed, and does not continue
 * with values of all ones.
 */
static void
calls_on_removed_device_return_errors(void **state)
{
	struct rte_dev_reg_info regs = { 0 };
	struct rte_dev_eeprom_info eeprom = { .length = 2 };
	uint16_t word = 7;

	begin(1, 1, NULL);
	assert_int_equal(rte_eth_dev_get_reg_info(PORT, &regs), 0);
	regs.data = calloc(regs.length, regs.width);
	eeprom.data = &word;
	fake.dead = fake.quiesced = true;
	assert_int_equal(rte_eth_dev_get_reg_info(PORT, &regs), -EIO);
	assert_int_equal(rte_eth_dev_get_eeprom(PORT, &eeprom), -EIO);
	assert_int_equal(word, 7);
	assert_int_equal(rte_eth_dev_set_mtu(PORT, 1400), -EIO);
	free(regs.data);
}

/* The driver logs the removal, and does not reset the device, which would log more. */
static void
start_on_removed_device_ends_at_once(void **state)
{
	configure(1, 1, NULL);
	fake.dead = fake.quiesced = true;
	log_begin();
	assert_true(rte_eth_dev_start(PORT) < 0);
	rte_openlog_stream(NULL);
	fflush(log_file);
	assert_non_null(strstr(log_text, "the device was removed, the port is not started"));
	assert_int_equal(log_end("net_gantry_igb: "), 1);
}

/* The start of the port programs the length: before, the queues may still change. */
static void
mtu_of_stopped_port_is_programmed_by_start(void **state)
{
	uint32_t v[4];

	configure(1, 1, NULL);
	fake.nr_writes = 0;
	assert_int_equal(rte_eth_dev_set_mtu(PORT, 4000), 0);
	assert_int_equal(fake.nr_writes, 0);
	assert_int_equal(rte_eth_dev_start(PORT), 0);
	assert_true(writes_to(IGB_RLPML, v, 4) > 0);
	assert_int_equal(v[0], 4000 + 22);
}

static int
on_object(void *arg, const struct rte_pmd_gantry_igb_object *object)
{
	return ++*(unsigned int *)arg == 2 ? 5 : 0;
}

static void
on_group(void *arg, const struct gantry_dma_reach_group *group)
{
	++*(unsigned int *)arg;
}

/* Assert that each function of the driver's own API returns `ret`, and has no other effect. */
static void
assert_refused(uint16_t port, int ret)
{
	static const char unset[] = "unset";
	const char *mode = unset;
	gantry_dma_addr_t bus = 7;
	unsigned int calls = 0;
	uint32_t value = 7;

	fake.nr_writes = 0;
	assert_int_equal(rte_pmd_gantry_igb_for_each_object(port, on_object, &calls), ret);
	assert_int_equal(rte_pmd_gantry_igb_for_each_reach(port, &mode, on_group, &calls), ret);
	assert_int_equal(rte_pmd_gantry_igb_virt_to_bus(port, rxq()->ring, &bus), ret);
	assert_int_equal(rte_pmd_gantry_igb_numa_check(port, true, 0, 0), ret);
	assert_int_equal(rte_pmd_gantry_igb_reg_read(port, IGB_STATUS, &value), ret);
	assert_int_equal(rte_pmd_gantry_igb_reg_write(port, IGB_VET, value), ret);
	assert_int_equal(calls, 0);
	assert_ptr_equal(mode, unset);
	assert_int_equal(bus, 7);
	assert_int_equal(value, 7);
	assert_int_equal(fake.nr_writes, 0);
}

static void
public_functions_refuse_other_ports_and_processes(void **state)
{
	static const struct eth_dev_ops other_ops;
	struct rte_eth_dev *dev = &rte_eth_devices[PORT];
	const struct eth_dev_ops *ops = dev->dev_ops;

	begin(1, 1, NULL);
	assert_refused(PORT + 1, -ENODEV);
	assert_refused(RTE_MAX_ETHPORTS, -ENODEV);
	dev->dev_ops = &other_ops;
	assert_refused(PORT, -ENOTSUP);
	dev->dev_ops = ops;
	secondary = true;
	assert_refused(PORT, -ENOTSUP);
	secondary = false;
	assert_int_equal(rte_pmd_gantry_igb_numa_check(PORT, true, 0, 0), 0);
}

/* Queue 1 was configured and not set up; later the port has one queue less than it had. */
static void
numa_check_refuses_queues_that_do_not_exist(void **state)
{
	static const struct rte_eth_conf conf;
	struct rte_eth_dev_data *data = rte_eth_devices[PORT].data;
	unsigned int is_rx;

	configure(1, 1, NULL);
	assert_int_equal(rte_eth_dev_configure(PORT, 2, 2, &conf), 0);
	for (is_rx = 0; is_rx <= 1; is_rx++) {
		assert_int_equal(rte_pmd_gantry_igb_numa_check(PORT, is_rx, 0, 0), 0);
		assert_int_equal(rte_pmd_gantry_igb_numa_check(PORT, is_rx, 1, 0), -EINVAL);
	}
	configure(2, 2, NULL);
	data->nb_rx_queues = data->nb_tx_queues = 1;
	for (is_rx = 0; is_rx <= 1; is_rx++) {
		assert_int_equal(rte_pmd_gantry_igb_numa_check(PORT, is_rx, 0, 0), 0);
		assert_int_equal(rte_pmd_gantry_igb_numa_check(PORT, is_rx, 1, 0), -EINVAL);
	}
	data->nb_rx_queues = data->nb_tx_queues = 2;
}

static void
walk_of_objects_ends_with_the_value_of_the_callback(void **state)
{
	unsigned int calls = 0;

	begin(2, 2, NULL);
	assert_int_equal(rte_pmd_gantry_igb_for_each_object(PORT, on_object, &calls), 5);
	assert_int_equal(calls, 2);
}

/* BAR 0 is mapped in two parts, BAR 2 is I/O space and not mapped. */
static int
two_bars(void *dev, unsigned int index, struct igb_bar *bar)
{
	*bar = (struct igb_bar){ .bus_addr = 0x1000 };
	if (index == 0) {
		bar->size = 0x40000;
		bar->nr_maps = 2;
		bar->maps[0].addr = &fake.regs[0];
		bar->maps[0].size = 0x1000;
		bar->maps[1].addr = &fake.regs[0x800];
		bar->maps[1].offset = 0x2000;
		bar->maps[1].size = 0x3000;
	} else if (index == 2) {
		bar->bus_addr = 0xC000;
		bar->size = 32;
		bar->is_io = true;
	}
	return index < 3 ? 0 : -EINVAL;
}

struct objects {
	unsigned int nr;
	char names[32][32];
	struct rte_pmd_gantry_igb_object of[32];
};

static int
keep_object(void *arg, const struct rte_pmd_gantry_igb_object *o)
{
	struct objects *all = arg;

	assert_true(all->nr < RTE_DIM(all->of));
	strlcpy(all->names[all->nr], o->name, sizeof(all->names[0]));
	all->of[all->nr++] = *o;
	return 0;
}

static void
assert_object(const struct objects *all, unsigned int at, const char *name,
		struct rte_pmd_gantry_igb_object want)
{
	const struct rte_pmd_gantry_igb_object *o = &all->of[at];

	assert_string_equal(all->names[at], name);
	assert_int_equal(o->type, want.type);
	assert_int_equal(o->index, want.index);
	assert_ptr_equal(o->cpu, want.cpu);
	assert_int_equal(o->bus, want.bus);
	assert_int_equal(o->size, want.size);
	assert_int_equal(o->is_io, want.is_io);
}

static void
each_ring_pool_and_bar_is_an_object(void **state)
{
	struct igb_hw *hw;
	struct igb_bus_ops ops;
	const struct igb_bus_ops *before;
	const struct igb_tx_queue *tx;
	struct objects all = { 0 };
	unsigned int n;

	begin(2, 1, NULL);
	hw = igb_hw_of(&rte_eth_devices[PORT]);
	before = hw->bus;
	ops = *before;
	ops.bar = two_bars;
	hw->bus = &ops;
	assert_int_equal(rte_pmd_gantry_igb_for_each_object(PORT, keep_object, &all), 0);
	hw->bus = before;
	tx = rte_eth_devices[PORT].data->tx_queues[0];
	for (n = 0; n < 2; n++) {
		const struct igb_rx_queue *rx = rte_eth_devices[PORT].data->rx_queues[n];

		assert_object(&all, n, n == 0 ? "rx ring 0" : "rx ring 1",
				(struct rte_pmd_gantry_igb_object){
						.type = RTE_PMD_GANTRY_IGB_RX_RING,
						.index = n,
						.cpu = rx->ring,
						.bus = rx->ring_addr,
						.size = rx->ring_size,
				});
	}
	assert_object(&all, 2, "tx ring 0",
			(struct rte_pmd_gantry_igb_object){
					.type = RTE_PMD_GANTRY_IGB_TX_RING,
					.cpu = tx->ring,
					.bus = tx->ring_addr,
					.size = tx->ring_size,
			});
	/* Both queues have one pool, which is shown once, in as many pieces as its memory has. */
	for (n = 3; n < all.nr && all.of[n].type == RTE_PMD_GANTRY_IGB_RX_POOL; n++)
		assert_string_equal(all.names[n], pool->name);
	assert_int_equal(n - 3, pool->nb_mem_chunks);
	assert_int_equal(all.nr, n + 3);
	assert_object(&all, n, "BAR 0",
			(struct rte_pmd_gantry_igb_object){
					.type = RTE_PMD_GANTRY_IGB_BAR,
					.cpu = &fake.regs[0],
					.bus = 0x1000,
					.size = 0x1000,
			});
	assert_object(&all, n + 1, "BAR 0",
			(struct rte_pmd_gantry_igb_object){
					.type = RTE_PMD_GANTRY_IGB_BAR,
					.cpu = &fake.regs[0x800],
					.bus = 0x3000,
					.size = 0x3000,
			});
	assert_object(&all, n + 2, "BAR 2",
			(struct rte_pmd_gantry_igb_object){
					.type = RTE_PMD_GANTRY_IGB_BAR,
					.index = 2,
					.bus = 0xC000,
					.size = 32,
					.is_io = true,
			});
}

static void
keep_memory(void *arg, const struct gantry_dma_reach_group *group)
{
	struct gantry_dma_reach_group *kept = arg;

	if (group->reach == GANTRY_DMA_REACH_MEMORY && kept->cpu == NULL)
		*kept = *group;
}

static void
bus_address_is_that_of_the_memory_behind_it(void **state)
{
	static const uint8_t unreachable;
	struct gantry_dma_reach_group g = { .cpu = NULL };
	gantry_dma_addr_t bus = 7;
	const uint8_t *cpu;
	const char *mode;

	begin(1, 1, NULL);
	assert_int_equal(rte_pmd_gantry_igb_for_each_reach(PORT, &mode, keep_memory, &g), 0);
	assert_string_equal(mode, iommu.mode);
	assert_non_null(g.cpu);
	cpu = g.cpu;
	assert_int_equal(rte_pmd_gantry_igb_virt_to_bus(PORT, cpu, &bus), 0);
	assert_int_equal(bus, g.first);
	assert_int_equal(rte_pmd_gantry_igb_virt_to_bus(PORT, cpu + (g.last - g.first), &bus), 0);
	assert_int_equal(bus, g.last);
	assert_int_equal(rte_pmd_gantry_igb_virt_to_bus(PORT, (uint8_t *)rxq()->ring + 9, &bus), 0);
	assert_int_equal(bus, rxq()->ring_addr + 9);
	assert_int_equal(rte_pmd_gantry_igb_virt_to_bus(PORT, &unreachable, &bus), -EFAULT);
	assert_int_equal(rte_pmd_gantry_igb_virt_to_bus(PORT, cpu - 1, &bus), -EFAULT);
	assert_int_equal(bus, rxq()->ring_addr + 9);
}

static void
types_have_names(void **state)
{
	static const uint32_t want[] = { RTE_PTYPE_L2_ETHER, RTE_PTYPE_L3_IPV4,
		RTE_PTYPE_L3_IPV4_EXT, RTE_PTYPE_L3_IPV6, RTE_PTYPE_L3_IPV6_EXT, RTE_PTYPE_L4_TCP,
		RTE_PTYPE_L4_UDP, RTE_PTYPE_L4_SCTP };
	uint32_t got[RTE_DIM(want)];
	const int n = rte_eth_dev_get_supported_ptypes(PORT, UINT32_MAX, got, RTE_DIM(got));

	assert_int_equal(n, RTE_DIM(want));
	assert_memory_equal(got, want, sizeof(want));
	assert_string_equal(rte_pmd_gantry_igb_object_type_name(RTE_PMD_GANTRY_IGB_RX_RING),
			"rx ring");
	assert_string_equal(rte_pmd_gantry_igb_object_type_name(RTE_PMD_GANTRY_IGB_BAR), "BAR");
	assert_string_equal(rte_pmd_gantry_igb_object_type_name(RTE_PMD_GANTRY_IGB_BAR + 1), "?");
}

/* A secondary process must not end DMA and release memory that the primary process still uses. */
static void
close_in_secondary_process_changes_nothing(void **state)
{
	struct rte_eth_dev *dev = &rte_eth_devices[PORT];

	begin(1, 1, NULL);
	fake.nr_writes = 0;
	secondary = true;
	assert_int_equal(igb_ethdev_close(dev), 0);
	secondary = false;
	assert_int_equal(fake.nr_writes, 0);
	assert_true(dev->data->dev_started);
	assert_non_null(igb_adapter_of(dev)->dma);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		PORT_TEST(register_dump_needs_full_length),
		PORT_TEST(register_access_is_bounded),
		PORT_TEST(unsupported_configurations_are_refused),
		PORT_TEST(device_info_matches_82576),
		PORT_TEST(memory_of_a_node_that_has_none_comes_from_another),
		PORT_TEST(nvm_is_read_within_its_bounds),
		PORT_TEST(statistics_registers_are_added_up),
		PORT_TEST(extended_statistics_have_one_name_each),
		PORT_TEST(packets_are_counted_by_queue),
		PORT_TEST(link_speeds_are_advertised),
		PORT_TEST(link_that_is_as_asked_for_is_left_alone),
		PORT_TEST(link_state_is_what_the_device_says),
		PORT_TEST(vendor_capability_is_believed_only_as_far_as_it_goes),
		PORT_TEST(speed_beyond_1g_comes_from_capability),
		PORT_TEST(devargs_are_parsed_and_refused),
		PORT_TEST(reset_masks_interrupts_and_release_clears_drv_load),
		PORT_TEST(calls_on_removed_device_return_errors),
		PORT_TEST(start_on_removed_device_ends_at_once),
		PORT_TEST(mtu_of_stopped_port_is_programmed_by_start),
		PORT_TEST(public_functions_refuse_other_ports_and_processes),
		PORT_TEST(numa_check_refuses_queues_that_do_not_exist),
		PORT_TEST(walk_of_objects_ends_with_the_value_of_the_callback),
		PORT_TEST(each_ring_pool_and_bar_is_an_object),
		PORT_TEST(bus_address_is_that_of_the_memory_behind_it),
		PORT_TEST(types_have_names),
		PORT_TEST(close_in_secondary_process_changes_nothing),
	};

	fake_start_eal(argc, argv);
	return cmocka_run_group_tests_name("igb_ethdev", tests, NULL, NULL);
}
