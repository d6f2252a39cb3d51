/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the driver's control path (drivers/net/igb) on the fake device of igb_fake.h: the exact
 * values that the driver writes to registers and descriptors, and its interpretation of the values
 * that it reads. Subjects: filters, RSS, statistics, link, interrupts, offload requests, limits.
 *
 * Each case configures the port by ethdev calls and compares fake.regs[] or the rings; most cases
 * do so again after a restart of the port. A hostile device is the subject of test_igb_rxtx.c.
 */

#include "igb_fake.h"

#include <rte_ip.h>
#include <rte_malloc.h>
#include <rte_tcp.h>

#define GOOD (IGB_RXD_STAT_DD | IGB_RXD_STAT_EOP)

static const struct rte_ether_addr other = { { 2, 1, 2, 3, 4, 5 } };

/* Configure nb_rx and nb_tx queues; without conf, RSS over the receive queues and nothing else. */
static void
configure(uint16_t nb_rx, uint16_t nb_tx, const struct rte_eth_conf *conf)
{
	static const struct rte_eth_conf rss = { .rxmode.mq_mode = RTE_ETH_MQ_RX_RSS };
	uint16_t i;

	assert_int_equal(rte_eth_dev_configure(PORT, nb_rx, nb_tx, conf != NULL ? conf : &rss), 0);
	for (i = 0; i < nb_rx; i++)
		assert_int_equal(rte_eth_rx_queue_setup(PORT, i, 64, SOCKET_ID_ANY, NULL, pool), 0);
	for (i = 0; i < nb_tx; i++)
		assert_int_equal(rte_eth_tx_queue_setup(PORT, i, 64, SOCKET_ID_ANY, NULL), 0);
}

static void
begin(uint16_t nb_rx, uint16_t nb_tx, const struct rte_eth_conf *conf)
{
	configure(nb_rx, nb_tx, conf);
	assert_int_equal(rte_eth_dev_start(PORT), 0);
}

static void
restart(void)
{
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	assert_int_equal(rte_eth_dev_start(PORT), 0);
}

static void
rss_types_and_key_are_written(void **state)
{
	static const struct {
		uint64_t hf;
		uint32_t bit;
	} t[] = {
		{ RTE_ETH_RSS_NONFRAG_IPV4_TCP, 1u << 16 }, { RTE_ETH_RSS_IPV4, 1u << 17 },
		{ RTE_ETH_RSS_IPV6_TCP_EX, 1u << 18 }, { RTE_ETH_RSS_IPV6_EX, 1u << 19 },
		{ RTE_ETH_RSS_IPV6, 1u << 20 }, { RTE_ETH_RSS_NONFRAG_IPV6_TCP, 1u << 21 },
		{ RTE_ETH_RSS_NONFRAG_IPV4_UDP, 1u << 22 },
		{ RTE_ETH_RSS_NONFRAG_IPV6_UDP, 1u << 23 }, { RTE_ETH_RSS_IPV6_UDP_EX, 1u << 24 },
	};
	struct rte_eth_rss_conf conf = { .rss_hf = 0 }, got = { .rss_key = (uint8_t[52]){ 0 } };
	uint8_t key[40];
	unsigned int i;

	begin(4, 1, NULL);
	assert_int_equal(*reg(IGB_MRQC), 0); /* no hash type was requested */
	assert_int_equal(*reg(IGB_RSSRK(0)), 0xDA565A6D);
	assert_int_equal(*reg(IGB_RSSRK(9)), 0xFA01ACBE);
	for (i = 0; i < RTE_DIM(t); i++) {
		conf.rss_hf = t[i].hf;
		assert_int_equal(rte_eth_dev_rss_hash_update(PORT, &conf), 0);
		assert_int_equal(*reg(IGB_MRQC), 2 | t[i].bit);
		restart();
		assert_int_equal(*reg(IGB_MRQC), 2 | t[i].bit);
	}
	for (i = 0; i < sizeof(key); i++)
		key[i] = 3 * i + 1;
	conf.rss_key = key;
	conf.rss_key_len = sizeof(key);
	assert_int_equal(rte_eth_dev_rss_hash_update(PORT, &conf), 0);
	for (i = 0; i < 10; i++)
		assert_memory_equal(reg(IGB_RSSRK(i)), key + 4 * i, 4);
	restart();
	for (i = 0; i < 10; i++)
		assert_memory_equal(reg(IGB_RSSRK(i)), key + 4 * i, 4);
	/* The configuration can be read back; the key is not copied if there is no room for it. */
	got.rss_key_len = 52;
	assert_int_equal(rte_eth_dev_rss_hash_conf_get(PORT, &got), 0);
	assert_memory_equal(got.rss_key, key, sizeof(key));
	assert_int_equal(got.rss_key_len, 40);
	assert_true(got.rss_hf == conf.rss_hf);
	memset(got.rss_key, 0, 52);
	assert_int_equal(igb_rss_hash_conf_get(&rte_eth_devices[PORT], &(struct rte_eth_rss_conf){
		.rss_key = got.rss_key, .rss_key_len = 39 }), 0);
	assert_int_equal(got.rss_key[0], 0);
	/* A refused update changes nothing. */
	conf.rss_key_len = 39;
	assert_true(rte_eth_dev_rss_hash_update(PORT, &conf) < 0);
	conf.rss_key_len = 40;
	key[0] = 99;
	conf.rss_hf = RTE_ETH_RSS_NONFRAG_IPV4_SCTP;
	assert_true(igb_rss_hash_update(&rte_eth_devices[PORT], &conf) < 0);
	assert_int_equal(*reg(IGB_MRQC), 2 | t[RTE_DIM(t) - 1].bit);
	assert_int_equal(*(uint8_t *)reg(IGB_RSSRK(0)), 1);
	/* A port that was configured without RSS has none. */
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	begin(1, 1, &(struct rte_eth_conf){ .rxmode.mq_mode = RTE_ETH_MQ_RX_NONE });
	conf.rss_hf = RTE_ETH_RSS_IPV4;
	assert_int_equal(igb_rss_hash_update(&rte_eth_devices[PORT], &conf), -EINVAL);
	assert_int_equal(*reg(IGB_MRQC), 0);
	got.rss_key_len = 0;
	assert_int_equal(igb_rss_hash_conf_get(&rte_eth_devices[PORT], &got), 0);
	assert_true(got.rss_hf == 0);
	/* RSS in the configuration of the port. */
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	begin(2, 1, &(struct rte_eth_conf){ .rxmode.mq_mode = RTE_ETH_MQ_RX_RSS,
		.rx_adv_conf.rss_conf.rss_hf = RTE_ETH_RSS_IPV4 });
	assert_int_equal(*reg(IGB_MRQC), 2 | 1u << 17);
	assert_int_equal(*reg(IGB_RSSRK(0)), 0xDA565A6D);
}

/* Entry i of the redirection table, from the register. */
static unsigned int
reta(unsigned int i)
{
	return ((uint8_t *)reg(IGB_RETA(0)))[i];
}

static void
redirection_table_is_written(void **state)
{
	struct rte_eth_rss_reta_entry64 table[2] = { { .mask = 0 } };
	struct rte_eth_dev *dev;
	unsigned int i;

	begin(3, 1, NULL);
	dev = &rte_eth_devices[PORT];
	for (i = 0; i < 128; i++)
		assert_int_equal(reta(i), i % 3);
	table[0].mask = 1u << 5 | UINT64_C(1) << 63;
	table[1].mask = 1u << 0;
	table[0].reta[5] = 0;
	table[0].reta[63] = 1;
	table[1].reta[0] = 2;
	table[1].reta[1] = 99; /* not in the mask */
	assert_int_equal(rte_eth_dev_rss_reta_update(PORT, table, 128), 0);
	for (i = 0; i < 128; i++)
		assert_int_equal(reta(i), i == 5 ? 0 : i == 63 ? 1 : i == 64 ? 2 : i % 3);
	restart();
	assert_int_equal(reta(5), 0);
	assert_int_equal(reta(63), 1);
	assert_int_equal(reta(64), 2);
	memset(table, 0, sizeof(table));
	table[0].mask = UINT64_C(1) << 63 | 1u << 4;
	table[1].mask = 1;
	assert_int_equal(rte_eth_dev_rss_reta_query(PORT, table, 128), 0);
	assert_int_equal(table[0].reta[63], 1);
	assert_int_equal(table[0].reta[4], 1);
	assert_int_equal(table[0].reta[7], 0);
	assert_int_equal(table[1].reta[0], 2);
	table[0].mask = 1;
	table[0].reta[0] = 2;
	assert_int_equal(igb_reta_update(dev, table, 128), 0);
	table[0].reta[0] = 3; /* there are 3 queues */
	assert_int_equal(igb_reta_update(dev, table, 128), -EINVAL);
	assert_int_equal(reta(0), 2);
	assert_int_equal(igb_reta_update(dev, table, 64), -EINVAL);
	assert_int_equal(igb_reta_query(dev, table, 64), -EINVAL);
	/* A new configuration sets a new table. */
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	begin(2, 1, NULL);
	for (i = 0; i < 128; i++)
		assert_int_equal(reta(i), i % 2);
}

/* A table with a queue that does not exist is refused as a whole, also at the next start. */
static void
refused_redirection_table_changes_nothing(void **state)
{
	struct rte_eth_rss_reta_entry64 table[2] = { { .mask = 0 } };
	unsigned int i;

	begin(3, 1, NULL);
	table[0].mask = UINT64_MAX; /* queue 0 for all of them */
	table[1].mask = 1u << 7;
	table[1].reta[7] = 3; /* there are 3 queues */
	assert_int_equal(igb_reta_update(&rte_eth_devices[PORT], table, 128), -EINVAL);
	restart();
	for (i = 0; i < 128; i++)
		assert_int_equal(reta(i), i % 3);
}

/* Copy the values that were written to a register to `values`, in order; return their number. */
static unsigned int
writes_to(uint32_t at, uint32_t *values, unsigned int max)
{
	unsigned int i, n = 0;

	for (i = 0; i < fake.nr_writes; i++)
		if (fake.writes[i].at == at && n < max)
			values[n++] = fake.writes[i].value;
	return n;
}

static void
addresses_are_written_and_never_half(void **state)
{
	struct rte_ether_addr a = other;
	uint32_t v[8];
	unsigned int i;

	begin(1, 1, NULL);
	for (i = 1; i < 24; i++) {
		a.addr_bytes[5] = i;
		fake.nr_writes = 0;
		assert_int_equal(rte_eth_dev_mac_addr_add(PORT, &a, 0), 0);
		assert_int_equal(*reg(IGB_RAL(i)), 0x03020102);
		assert_int_equal(*reg(IGB_RAH(i)), IGB_RAH_AV | i << 8 | 4);
		/* The entry is invalid while its low half is that of the old address. */
		assert_int_equal(writes_to(IGB_RAH(i), v, 8), 2);
		assert_int_equal(v[0], 0);
		assert_int_equal(fake.writes[0].at, IGB_RAH(i));
		assert_int_equal(fake.writes[1].at, IGB_RAL(i));
	}
	a.addr_bytes[5] = 99;
	assert_int_equal(igb_mac_addr_add(&rte_eth_devices[PORT], &a, 24, 0), -ENOSPC);
	assert_int_equal(igb_mac_addr_add(&rte_eth_devices[PORT], &a, 23, 0), 0);
	a.addr_bytes[5] = 7;
	restart();
	assert_int_equal(*reg(IGB_RAH(7)), IGB_RAH_AV | 0x0704);
	assert_int_equal(rte_eth_dev_mac_addr_remove(PORT, &a), 0);
	assert_int_equal(*reg(IGB_RAH(7)), 0);
	assert_int_equal(*reg(IGB_RAL(7)), 0);
	restart();
	assert_int_equal(*reg(IGB_RAH(7)), 0);
	assert_int_equal(*reg(IGB_RAH(8)), IGB_RAH_AV | 0x0804);
	*reg(IGB_RAL(24)) = 77;
	igb_mac_addr_remove(&rte_eth_devices[PORT], 24);
	assert_int_equal(*reg(IGB_RAL(24)), 77);
	igb_mac_addr_remove(&rte_eth_devices[PORT], 23);
	assert_int_equal(*reg(IGB_RAH(23)), 0);
	fake.dead = fake.quiesced = true;
	assert_int_equal(igb_mac_addr_set(&rte_eth_devices[PORT], &a), -ENODEV);
}

static void
multicast_addresses_set_their_bits(void **state)
{
	/* Bits 47:36 are the last byte and the upper half of the byte before it. */
	struct rte_ether_addr list[] = { { { 1, 0, 0x5E, 0, 0x10, 0 } },
		{ { 1, 0, 0x5E, 0, 0xF0, 1 } }, { { 1, 0, 0x5E, 0, 0xFF, 0xFF } } };
	unsigned int turn, i;

	begin(1, 1, NULL);
	assert_int_equal(rte_eth_dev_set_mc_addr_list(PORT, list, 3), 0);
	for (turn = 0; turn < 2; turn++) {
		for (i = 0; i < 128; i++)
			assert_int_equal(*reg(IGB_MTA(i)), i == 0 ? 1u << 1 | 1u << 31 :
				i == 127 ? 1u << 31 : 0);
		restart();
	}
	assert_int_equal(rte_eth_dev_set_mc_addr_list(PORT, list, 1), 0);
	assert_int_equal(*reg(IGB_MTA(0)), 1u << 1);
	assert_int_equal(*reg(IGB_MTA(127)), 0);
	/* A reset of the port clears multicast addresses and VLANs. */
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	assert_int_equal(rte_eth_dev_reset(PORT), 0);
	begin(1, 1, NULL);
	assert_int_equal(*reg(IGB_MTA(0)), 0);
}

static void
promiscuous_and_allmulticast_do_not_undo_each_other(void **state)
{
	const uint32_t both = IGB_RCTL_UPE | IGB_RCTL_MPE;
	struct rte_eth_dev *dev;

	begin(1, 1, NULL);
	dev = &rte_eth_devices[PORT];
	assert_int_equal(*reg(IGB_RCTL) & both, 0);
	assert_int_equal(rte_eth_promiscuous_enable(PORT), 0);
	assert_int_equal(*reg(IGB_RCTL) & both, both);
	restart();
	assert_int_equal(*reg(IGB_RCTL) & both, both);
	assert_int_equal(rte_eth_allmulticast_enable(PORT), 0);
	assert_int_equal(rte_eth_promiscuous_disable(PORT), 0);
	assert_int_equal(*reg(IGB_RCTL) & both, IGB_RCTL_MPE);
	restart();
	assert_int_equal(*reg(IGB_RCTL) & both, IGB_RCTL_MPE);
	assert_int_equal(rte_eth_promiscuous_enable(PORT), 0);
	assert_int_equal(rte_eth_allmulticast_disable(PORT), 0);
	assert_int_equal(*reg(IGB_RCTL) & both, both);
	assert_int_equal(rte_eth_promiscuous_disable(PORT), 0);
	assert_int_equal(*reg(IGB_RCTL) & both, 0);
	assert_int_equal(rte_eth_allmulticast_enable(PORT), 0);
	assert_int_equal(rte_eth_allmulticast_disable(PORT), 0);
	assert_int_equal(*reg(IGB_RCTL) & both, 0);
	/* The other bits remain. */
	assert_true(*reg(IGB_RCTL) & IGB_RCTL_RXEN);
	fake.dead = fake.quiesced = true;
	assert_int_equal(igb_promiscuous_enable(dev), -ENODEV);
}

static void
vlans_are_filtered_and_stripped_as_configured(void **state)
{
	const struct rte_eth_conf conf = { .rxmode.offloads = RTE_ETH_RX_OFFLOAD_VLAN_FILTER };
	unsigned int i;

	begin(1, 1, &conf);
	assert_int_equal(*reg(IGB_VET), 0x8100);
	assert_int_equal(*reg(IGB_RCTL) & (IGB_RCTL_VFE | IGB_RCTL_CFIEN), IGB_RCTL_VFE);
	assert_false(*reg(IGB_CTRL) & IGB_CTRL_VME);
	assert_int_equal(rte_eth_dev_vlan_filter(PORT, 0, 1), 0);
	assert_int_equal(rte_eth_dev_vlan_filter(PORT, 31, 1), 0);
	assert_int_equal(rte_eth_dev_vlan_filter(PORT, 4095, 1), 0);
	assert_int_equal(rte_eth_dev_vlan_filter(PORT, 4000, 1), 0);
	assert_int_equal(rte_eth_dev_vlan_filter(PORT, 4000, 0), 0);
	restart();
	for (i = 0; i < 128; i++)
		assert_int_equal(*reg(IGB_VFTA(i)), i == 0 ? 1u << 31 | 1 : i == 127 ?
			1u << 31 : 0);
	assert_int_equal(rte_eth_dev_vlan_filter(PORT, 31, 0), 0);
	assert_int_equal(*reg(IGB_VFTA(0)), 1);
	/* At run time. */
	assert_int_equal(rte_eth_dev_set_vlan_offload(PORT, RTE_ETH_VLAN_STRIP_OFFLOAD), 0);
	assert_true(*reg(IGB_CTRL) & IGB_CTRL_VME);
	assert_false(*reg(IGB_RCTL) & IGB_RCTL_VFE);
	*reg(IGB_RCTL) |= IGB_RCTL_CFIEN;
	assert_int_equal(rte_eth_dev_set_vlan_offload(PORT, RTE_ETH_VLAN_FILTER_OFFLOAD), 0);
	assert_false(*reg(IGB_CTRL) & IGB_CTRL_VME);
	assert_int_equal(*reg(IGB_RCTL) & (IGB_RCTL_VFE | IGB_RCTL_CFIEN), IGB_RCTL_VFE);
	restart();
	assert_true(*reg(IGB_RCTL) & IGB_RCTL_VFE);
	assert_false(*reg(IGB_CTRL) & IGB_CTRL_VME);
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
			RTE_ETH_LINK_SPEED_1G }, -EINVAL },
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
	assert_int_equal(info.speed_capa, RTE_ETH_LINK_SPEED_10M_HD | RTE_ETH_LINK_SPEED_10M |
		RTE_ETH_LINK_SPEED_100M_HD | RTE_ETH_LINK_SPEED_100M | RTE_ETH_LINK_SPEED_1G);
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

static uint64_t
xstat(const char *name)
{
	uint64_t id, value = 0;

	assert_int_equal(rte_eth_xstats_get_id_by_name(PORT, name, &id), 0);
	assert_int_equal(rte_eth_xstats_get_by_id(PORT, &id, &value, 1), 1);
	return value;
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

	begin(2, 1, NULL);
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
	*reg(IGB_RQDPC(1)) = 5;
	assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
	assert_int_equal(s.imissed, 4 + 3 + 5);
	assert_int_equal(xstat("rx_q0_no_descriptor_packets"), 4);
	*reg(IGB_RQDPC(1)) = 5;
	assert_int_equal(xstat("rx_q1_no_descriptor_packets"), 10);
	/* A reset clears the sums and the registers. */
	*reg(IGB_MPC) = 3;
	*reg(IGB_RQDPC(1)) = 5;
	*reg(IGB_ROC) = 5;
	assert_int_equal(rte_eth_xstats_reset(PORT), 0);
	assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
	assert_int_equal(s.imissed, 0);
	assert_int_equal(s.ierrors, 0);
	for (i = 0; i < RTE_DIM(t); i++)
		assert_int_equal(xstat(t[i].name), 0);
}

static void
extended_statistics_have_one_name_each(void **state)
{
	struct rte_eth_xstat_name names[64], one;
	struct rte_eth_xstat values[64];
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
	memset(values, 0xFF, sizeof(values));
	assert_int_equal(igb_xstats_get(dev, values, n - 1), n);
	assert_int_equal(values[0].id, UINT64_MAX);
	assert_int_equal(igb_xstats_get(dev, values, n), n);
	for (i = 0; i < n; i++)
		assert_int_equal(values[i].id, i);
	id = n - 1;
	assert_int_equal(igb_xstats_get_by_id(dev, &id, &v, 1), 1);
	assert_int_equal(v, values[n - 1].value);
	id = n;
	assert_int_equal(igb_xstats_get_by_id(dev, &id, &v, 1), -EINVAL);
	assert_int_equal(igb_xstats_get_names_by_id(dev, &id, &one, 1), -EINVAL);
	assert_int_equal(igb_xstats_get_by_id(dev, NULL, NULL, 0), n);
	assert_int_equal(igb_xstats_get_names_by_id(dev, NULL, NULL, 0), n);
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
	assert_int_equal(s.q_opackets[0], 3);
	assert_int_equal(s.q_obytes[0], 184);
	assert_int_equal(s.q_errors[0], 0);
	rxq()->ring[0].wb.length = 100;
	rxq()->ring[0].wb.staterr = GOOD;
	rxq()->ring[1].wb.length = 0;
	rxq()->ring[1].wb.staterr = GOOD;
	assert_int_equal(rte_eth_rx_burst(PORT, 0, m, 4), 1);
	rte_pktmbuf_free(m[0]);
	assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
	assert_int_equal(s.q_ipackets[0], 1);
	assert_int_equal(s.q_ibytes[0], 100);
	assert_int_equal(s.q_errors[0], 1);
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
		{ RTE_ETH_LINK_SPEED_10M_HD, 0x020, 0 }, { RTE_ETH_LINK_SPEED_10M, 0x040, 0 },
		{ RTE_ETH_LINK_SPEED_100M_HD, 0x080, 0 }, { RTE_ETH_LINK_SPEED_100M, 0x100, 0 },
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
		assert_int_equal(fake.phy[IGB_PHY_CTRL], IGB_PHY_CTRL_AUTONEG_EN |
			IGB_PHY_CTRL_RESTART_AN);
		assert_int_equal(*reg(IGB_CTRL) & (IGB_CTRL_SLU | IGB_CTRL_FD | IGB_CTRL_FRCSPD |
			IGB_CTRL_FRCDPLX), IGB_CTRL_SLU | IGB_CTRL_FD);
		assert_int_equal(rte_eth_dev_stop(PORT), 0);
		assert_true(fake.phy[IGB_PHY_CTRL] & PHY_DOWN);
		assert_false(*reg(IGB_CTRL) & IGB_CTRL_SLU);
	}
}

static void
link_that_is_as_asked_for_is_left_alone(void **state)
{
	struct rte_eth_dev *dev;
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
		{ 0, 0, false, 10 }, { 0, 1, false, 100 }, { 0, 2, false, 1000 },
		{ 0, 3, false, 1000 }, { 10000, 2, true, 10000 }, { 10000, 1, true, 100 },
		{ 0, 2, true, 100000 }, { 100, 1, true, 100 }, { 101, 2, true, 101 },
		{ 50, 1, true, 50 }, { 10, 0, true, 10 }, { 11, 1, true, 11 },
		{ 5, 0, true, 5 }, { 5, 1, true, 100 },
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
receiver_is_set_up_as_configured(void **state)
{
	static const struct {
		uint64_t offloads;
		uint32_t rxcsum;
	} t[] = {
		{ 0, 0 },
		{ RTE_ETH_RX_OFFLOAD_IPV4_CKSUM, IGB_RXCSUM_IPOFL },
		{ RTE_ETH_RX_OFFLOAD_UDP_CKSUM, IGB_RXCSUM_TUOFL },
		{ RTE_ETH_RX_OFFLOAD_TCP_CKSUM, IGB_RXCSUM_TUOFL },
		{ RTE_ETH_RX_OFFLOAD_SCTP_CKSUM, IGB_RXCSUM_CRCOFL },
	};
	struct rte_eth_conf conf = { .lpbk_mode = 0 };
	unsigned int i;

	for (i = 0; i < RTE_DIM(t); i++) {
		conf.rxmode.offloads = t[i].offloads;
		conf.lpbk_mode = i & 1;
		configure(1, 1, &conf);
		*reg(IGB_RCTL) = IGB_RCTL_SBP;
		assert_int_equal(rte_eth_dev_start(PORT), 0);
		assert_int_equal(*reg(IGB_RXCSUM), IGB_RXCSUM_PCSD | t[i].rxcsum);
		assert_int_equal(*reg(IGB_RCTL), IGB_RCTL_RXEN | IGB_RCTL_BAM | IGB_RCTL_SECRC |
			IGB_RCTL_LPE | (i & 1 ? IGB_RCTL_LBM_MAC : 0));
		assert_int_equal(*reg(IGB_TCTL), IGB_TCTL_EN | IGB_TCTL_PSP | IGB_TCTL_RTLC |
			15u << IGB_TCTL_CT_SHIFT);
		assert_int_equal(*reg(IGB_RLPML), 1522);
		assert_int_equal(rte_eth_dev_stop(PORT), 0);
		assert_false(*reg(IGB_RCTL) & IGB_RCTL_RXEN);
		assert_false(*reg(IGB_TCTL) & IGB_TCTL_EN);
	}
}

static void
rings_are_described_to_the_device(void **state)
{
	struct rte_eth_dev_info info;
	struct rte_eth_rxconf rx;
	struct rte_eth_txconf tx;
	unsigned int nb, q;

	assert_int_equal(rte_eth_dev_info_get(PORT, &info), 0);
	rx = info.default_rxconf;
	tx = info.default_txconf;
	rx.rx_thresh = (struct rte_eth_thresh){ 3, 4, 5 };
	tx.tx_thresh = (struct rte_eth_thresh){ 6, 7, 2 };
	for (nb = 1; nb <= 2; nb++) {
		configure(nb, nb, NULL);
		for (q = 0; q < nb; q++) {
			rx.rx_deferred_start = tx.tx_deferred_start = q == 1;
			assert_int_equal(rte_eth_rx_queue_setup(PORT, q, 64, SOCKET_ID_ANY, &rx,
				pool), 0);
			assert_int_equal(rte_eth_tx_queue_setup(PORT, q, 128, SOCKET_ID_ANY,
				&tx), 0);
		}
		*reg(IGB_RDH(0)) = *reg(IGB_TDH(0)) = *reg(IGB_TDT(0)) = 9;
		assert_int_equal(rte_eth_dev_start(PORT), 0);
		assert_int_equal(*reg(IGB_RDBAL(0)), (uint32_t)rxq()->ring_addr);
		assert_int_equal(*reg(IGB_RDBAH(0)), rxq()->ring_addr >> 32);
		assert_int_equal(*reg(IGB_RDLEN(0)), 64 * 16);
		assert_int_equal(*reg(IGB_TDBAL(0)), (uint32_t)txq()->ring_addr);
		assert_int_equal(*reg(IGB_TDBAH(0)), txq()->ring_addr >> 32);
		assert_int_equal(*reg(IGB_TDLEN(0)), 128 * 16);
		assert_int_equal(*reg(IGB_RDH(0)), 0);
		assert_int_equal(*reg(IGB_RDT(0)), 63);
		assert_int_equal(*reg(IGB_TDH(0)), 0);
		assert_int_equal(*reg(IGB_TDT(0)), 0);
		/*
		 * With several queues, frames for a full queue are dropped, so that it does not
		 * block the others.
		 */
		assert_int_equal(*reg(IGB_SRRCTL(0)), IGB_SRRCTL_DESCTYPE_ADV_ONE | 2 |
			(nb > 1 ? IGB_SRRCTL_DROP_EN : 0));
		assert_int_equal(*reg(IGB_RXDCTL(0)), IGB_DCTL_ENABLE | 3 | 4 << 8 | 5 << 16);
		assert_int_equal(*reg(IGB_TXDCTL(0)), IGB_DCTL_ENABLE | 6 | 7 << 8 | 2 << 16);
		if (nb == 2) { /* a deferred queue waits */
			assert_int_equal(*reg(IGB_RXDCTL(1)) & IGB_DCTL_ENABLE, 0);
			assert_int_equal(*reg(IGB_TXDCTL(1)) & IGB_DCTL_ENABLE, 0);
			assert_int_equal(rte_eth_dev_rx_queue_start(PORT, 1), 0);
			assert_int_equal(rte_eth_dev_tx_queue_start(PORT, 1), 0);
			assert_true(*reg(IGB_RXDCTL(1)) & IGB_DCTL_ENABLE);
			assert_true(*reg(IGB_TXDCTL(1)) & IGB_DCTL_ENABLE);
			assert_int_equal(*reg(IGB_RDT(1)), 63);
		}
		assert_int_equal(rte_eth_dev_stop(PORT), 0);
	}
}

static void
queue_thresholds_have_their_limits(void **state)
{
	static const struct rte_eth_conf conf;
	struct rte_eth_dev_info info;
	struct rte_eth_rxconf rx;
	struct rte_eth_txconf tx;
	struct rte_eth_rxq_info rxi;
	struct rte_eth_txq_info txi;

	assert_int_equal(rte_eth_dev_info_get(PORT, &info), 0);
	rx = info.default_rxconf;
	tx = info.default_txconf;
	assert_int_equal(rte_eth_dev_configure(PORT, 1, 1, &conf), 0);
	rx.rx_free_thresh = 63;
	assert_int_equal(rte_eth_rx_queue_setup(PORT, 0, 64, SOCKET_ID_ANY, &rx, pool), -EINVAL);
	rx.rx_free_thresh = 62;
	assert_int_equal(rte_eth_rx_queue_setup(PORT, 0, 64, SOCKET_ID_ANY, &rx, pool), 0);
	tx.tx_rs_thresh = 63;
	assert_int_equal(rte_eth_tx_queue_setup(PORT, 0, 64, SOCKET_ID_ANY, &tx), -EINVAL);
	tx.tx_rs_thresh = 62;
	assert_int_equal(rte_eth_tx_queue_setup(PORT, 0, 64, SOCKET_ID_ANY, &tx), 0);
	tx.tx_free_thresh = 63;
	assert_int_equal(rte_eth_tx_queue_setup(PORT, 0, 64, SOCKET_ID_ANY, &tx), -EINVAL);
	tx.tx_free_thresh = 62;
	assert_int_equal(rte_eth_tx_queue_setup(PORT, 0, 64, SOCKET_ID_ANY, &tx), 0);
	/* The driver's defaults. */
	assert_int_equal(rte_eth_rx_queue_setup(PORT, 0, 64, SOCKET_ID_ANY, NULL, pool), 0);
	assert_int_equal(rte_eth_tx_queue_setup(PORT, 0, 64, SOCKET_ID_ANY, NULL), 0);
	assert_int_equal(rte_eth_rx_queue_info_get(PORT, 0, &rxi), 0);
	assert_int_equal(rte_eth_tx_queue_info_get(PORT, 0, &txi), 0);
	assert_int_equal(rxi.conf.rx_free_thresh, 16);
	assert_int_equal(txi.conf.tx_rs_thresh, 16);
	assert_int_equal(txi.conf.tx_free_thresh, 16);
	assert_int_equal(txq()->max_segs, 62);
	assert_int_equal(txq()->free_thresh, 64 - 48);
	assert_int_equal(rte_eth_rx_queue_setup(PORT, 0, 1024, SOCKET_ID_ANY, NULL, pool), 0);
	assert_int_equal(rte_eth_tx_queue_setup(PORT, 0, 1024, SOCKET_ID_ANY, NULL), 0);
	assert_int_equal(rte_eth_rx_queue_info_get(PORT, 0, &rxi), 0);
	assert_int_equal(rte_eth_tx_queue_info_get(PORT, 0, &txi), 0);
	assert_int_equal(rxi.conf.rx_free_thresh, 32);
	assert_int_equal(txi.conf.tx_rs_thresh, 32);
	assert_int_equal(txi.conf.tx_free_thresh, 32);
	assert_int_equal(txq()->max_segs, 64);
	assert_int_equal(txq()->free_thresh, 1024 - 128);
}

/* Allocate a packet of len bytes in one segment. */
static struct rte_mbuf *
packet(uint32_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	assert_non_null(m);
	memset(rte_pktmbuf_append(m, len), 0, len);
	return m;
}

/* Send m, which the driver frees later. Return the number of descriptors used. */
static unsigned int
send_one(struct rte_mbuf *m)
{
	const uint16_t before = txq()->tail;

	assert_int_equal(rte_eth_tx_burst(PORT, 0, &m, 1), 1);
	return (txq()->tail + txq()->nb_desc - before) % txq()->nb_desc;
}

static void
all_done(void)
{
	unsigned int i;

	for (i = 0; i < txq()->nb_desc; i++)
		txq()->ring[i].wb.status |= IGB_TXD_STAT_DD;
	rte_eth_tx_done_cleanup(PORT, 0, 0);
	assert_int_equal(txq()->nb_free, txq()->nb_desc - 1);
}

static void
tx_requests_are_in_the_descriptors(void **state)
{
	const uint32_t plain = IGB_TXD_DTYP_DATA | IGB_TXD_DEXT | IGB_TXD_IFCS | IGB_TXD_EOP |
		IGB_TXD_RS;
	const uint32_t ctxt = IGB_TXD_DTYP_CTXT | IGB_TXD_DEXT;
	static const struct {
		uint64_t flags;
		uint32_t cmd, popts, tucmd, lens, mss;
	} t[] = {
		{ RTE_MBUF_F_TX_VLAN, IGB_TXD_VLE, 0, IGB_TXD_TUCMD_L4T_UDP, 0x3456u << 16, 0 },
		{ RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_IPV4, 0, IGB_TXD_POPTS_IXSM,
			IGB_TXD_TUCMD_IPV4, 14 << 9 | 20, 0 },
		{ RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM, 0, IGB_TXD_POPTS_TXSM,
			IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_TCP, 14 << 9 | 20, 0 },
		{ RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_UDP_CKSUM, 0, IGB_TXD_POPTS_TXSM,
			IGB_TXD_TUCMD_L4T_UDP, 14 << 9 | 20, 0 },
		{ RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_SCTP_CKSUM | RTE_MBUF_F_TX_VLAN, IGB_TXD_VLE,
			IGB_TXD_POPTS_TXSM, IGB_TXD_TUCMD_L4T_SCTP, 0x3456u << 16 | 14 << 9 |
				20, 0 },
		{ RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_SEG, IGB_TXD_TSE,
			IGB_TXD_POPTS_IXSM | IGB_TXD_POPTS_TXSM,
			IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_TCP, 14 << 9 | 20, 200u << 16 |
				24 << 8 },
	};
	union igb_tx_desc *ring;
	struct rte_mbuf *m;
	unsigned int i;

	for (i = 0; i < RTE_DIM(t); i++) {
		begin(1, 1, NULL);
		ring = txq()->ring;
		assert_int_equal(send_one(packet(300)), 1);
		assert_true(ring[0].data.addr != 0);
		assert_int_equal(ring[0].data.cmd_type_len, plain | 300);
		assert_int_equal(ring[0].data.olinfo, 300u << 14);
		m = packet(500);
		m->ol_flags = t[i].flags;
		m->vlan_tci = 0x3456;
		m->l2_len = 14;
		m->l3_len = 20;
		m->l4_len = 24;
		m->tso_segsz = 200;
		assert_int_equal(send_one(m), 2);
		assert_int_equal(ring[1].ctx.vlan_macip_lens, t[i].lens);
		assert_int_equal(ring[1].ctx.seqnum, 0);
		assert_int_equal(ring[1].ctx.type_tucmd, ctxt | t[i].tucmd);
		assert_int_equal(ring[1].ctx.mss_l4len_idx, t[i].mss);
		assert_int_equal(ring[2].data.cmd_type_len, plain | t[i].cmd | 500);
		/*
		 * For a packet that is to be segmented, PAYLEN is the length of the payload alone.
		 */
		assert_int_equal(ring[2].data.olinfo, t[i].popts |
			(t[i].flags & RTE_MBUF_F_TX_TCP_SEG ? 500u - 58 : 500u) << 14);
		assert_int_equal(*reg(IGB_TDT(0)), 3);
		assert_int_equal(rte_eth_dev_stop(PORT), 0);
	}
}

/* The device has two contexts: a third one replaces the older one. */
static void
tx_contexts_are_used_again(void **state)
{
	static const struct {
		uint16_t tci;
		unsigned int descs, slot;
	} t[] = {
		{ 1, 2, 0 }, { 1, 1, 0 }, { 2, 2, 1 }, { 1, 1, 0 }, { 2, 1, 1 }, { 3, 2, 0 },
		{ 2, 1, 1 },
		{ 1, 2, 1 }, { 3, 1, 0 }, { 2, 2, 0 },
	};
	struct rte_mbuf *m;
	unsigned int i, at;

	begin(1, 1, NULL);
	for (i = 0; i < RTE_DIM(t); i++) {
		m = packet(60);
		m->ol_flags = RTE_MBUF_F_TX_VLAN;
		m->vlan_tci = t[i].tci;
		at = txq()->tail;
		assert_int_equal(send_one(m), t[i].descs);
		if (t[i].descs == 2)
			assert_int_equal(txq()->ring[at].ctx.mss_l4len_idx, t[i].slot << 4);
		assert_int_equal(txq()->ring[at + t[i].descs - 1].data.olinfo,
			60u << 14 | t[i].slot << 4);
	}
	/* A restart clears the contexts, in the driver as in the device. */
	restart();
	m = packet(60);
	m->ol_flags = RTE_MBUF_F_TX_VLAN;
	m->vlan_tci = 2;
	assert_int_equal(send_one(m), 2);
}

/*
 * RS is set in the last descriptor of each group: after rs_thresh descriptors, and at the end of a
 * burst.
 */
static void
tx_groups_end_with_a_report(void **state)
{
	struct rte_mbuf *m[40];
	unsigned int i;

	begin(1, 1, NULL);
	for (i = 0; i < 40; i++)
		m[i] = packet(60);
	assert_int_equal(rte_eth_tx_burst(PORT, 0, m, 40), 40);
	for (i = 0; i < 40; i++)
		assert_int_equal(!!(txq()->ring[i].data.cmd_type_len & IGB_TXD_RS),
			i == 15 || i == 31 || i == 39);
	/* A group is freed as a whole, and only after its last descriptor is done. */
	txq()->ring[15].wb.status = txq()->ring[14].wb.status = IGB_TXD_STAT_DD;
	txq()->ring[39].wb.status = IGB_TXD_STAT_DD;
	assert_int_equal(rte_eth_tx_done_cleanup(PORT, 0, 0), 16);
	assert_int_equal(txq()->nb_free, 63 - 24);
	txq()->ring[31].wb.status = IGB_TXD_STAT_DD;
	assert_int_equal(rte_eth_tx_done_cleanup(PORT, 0, 0), 24);
	assert_int_equal(txq()->nb_free, 63);
	/* The ring holds one packet less than it has descriptors. */
	for (i = 0; i < 40; i++)
		m[i] = packet(60);
	assert_int_equal(rte_eth_tx_burst(PORT, 0, m, 40), 40);
	for (i = 0; i < 40; i++)
		m[i] = packet(60);
	assert_int_equal(rte_eth_tx_burst(PORT, 0, m, 40), 23);
	assert_int_equal(txq()->nb_free, 0);
	rte_pktmbuf_free_bulk(m + 23, 17);
	all_done();
}

/*
 * Packets just within the limits, and packets just outside, which igb_prep_pkts() refuses and the
 * burst function counts as errors.
 */
static void
tx_limits_are_exact(void **state)
{
	static const struct {
		uint32_t len;
		uint64_t flags;
		uint16_t l2, l3, l4, mss;
		bool good;
	} t[] = {
		{ 17, 0, 0, 0, 0, 0, true }, { 16, 0, 0, 0, 0, 0, false },
		{ 9724, 0, 0, 0, 0, 0, true }, { 9725, 0, 0, 0, 0, 0, false },
		{ 9720, RTE_MBUF_F_TX_VLAN, 0, 0, 0, 0, true },
		{ 9721, RTE_MBUF_F_TX_VLAN, 0, 0, 0, 0, false },
		/* Checksums: minimum header lengths, and all headers must be within the packet. */
		{ 60, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM, 14, 20, 0, 0, true },
		{ 60, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM, 13, 20, 0, 0, false },
		{ 60, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM, 14, 19, 0, 0, false },
		{ 34, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM, 14, 20, 0, 0, true },
		{ 33, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM, 14, 20, 0, 0, false },
		{ 54, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM, 14, 20, 0, 0, true },
		{ 53, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM, 14, 20, 0, 0, false },
		{ 42, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_UDP_CKSUM, 14, 20, 0, 0, true },
		{ 41, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_UDP_CKSUM, 14, 20, 0, 0, false },
		{ 46, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_SCTP_CKSUM, 14, 20, 0, 0, true },
		{ 45, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_SCTP_CKSUM, 14, 20, 0, 0, false },
		{ 54, RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TCP_CKSUM, 13, 20, 0, 0, false },
		/* Segmentation. */
		{ 55, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_SEG, 14, 20, 20, 1, true },
		{ 54, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_SEG, 14, 20, 20, 1, false },
		{ 200, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_SEG, 14, 20, 20, 0, false },
		{ 200, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_SEG, 13, 20, 20, 100, false },
		{ 200, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_SEG, 14, 19, 20, 100, false },
		{ 200, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_SEG, 14, 20, 19, 100, false },
		{ 200, RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TCP_SEG, 14, 40, 20, 100, true },
		{ 200, RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TCP_SEG, 14, 39, 20, 100, false },
		{ 500, RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TCP_SEG, 14, 206, 20, 100, true },
		{ 500, RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TCP_SEG, 14, 207, 20, 100, false },
		{ 9999, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_SEG, 14, 20, 20, 9666, true },
		{ 9999, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_SEG, 14, 20, 20, 9667, false },
	};
	struct rte_mempool *mp = rte_pktmbuf_pool_create("large", 63, 0, 0, 12000, SOCKET_ID_ANY);
	struct rte_eth_stats s;
	unsigned int i, bad = 0;

	assert_non_null(mp);
	begin(1, 1, NULL);
	for (i = 0; i < RTE_DIM(t); i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(mp);

		memset(rte_pktmbuf_append(m, t[i].len), 0, t[i].len);
		m->ol_flags = t[i].flags;
		m->l2_len = t[i].l2;
		m->l3_len = t[i].l3;
		m->l4_len = t[i].l4;
		m->tso_segsz = t[i].mss;
		assert_int_equal(igb_prep_pkts(txq(), &m, 1), t[i].good);
		if (!t[i].good)
			assert_int_equal(rte_errno, EINVAL);
		assert_int_equal(rte_eth_tx_burst(PORT, 0, &m, 1), 1);
		bad += !t[i].good;
		assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
		assert_int_equal(s.oerrors, bad);
		all_done();
		assert_int_equal(rte_mempool_avail_count(mp), 63);
	}
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	rte_mempool_free(mp);
}

static void
tx_prepare_refuses_inconsistent_chains(void **state)
{
	struct rte_mbuf *m[3], *next;
	unsigned int i;

	begin(1, 1, NULL);
	for (i = 0; i < 7; i++) {
		m[0] = packet(60);
		m[1] = packet(100);
		m[2] = packet(60);
		next = packet(100);
		assert_int_equal(rte_pktmbuf_chain(m[1], next), 0);
		switch (i) {
		case 1:
			next->data_len = 0;
			break;
		case 2:
			m[1]->nb_segs = 3;
			break;
		case 3:
			m[1]->nb_segs = 1;
			break;
		case 4:
			m[1]->pkt_len++;
			break;
		case 5:
			m[1]->pkt_len--;
			break;
		case 6:
			m[1]->ol_flags = RTE_MBUF_F_TX_QINQ;
			break;
		}
		rte_errno = 0;
		assert_int_equal(igb_prep_pkts(txq(), m, 3), i == 0 ? 3 : 1);
		assert_int_equal(rte_errno, i == 0 ? 0 : i == 6 ? ENOTSUP : EINVAL);
		m[1]->nb_segs = 2;
		m[1]->next = next;
		rte_pktmbuf_free_bulk(m, 3);
	}
}

/* Put the sum of the pseudo-header into the checksum field, as the device expects. */
static void
tx_prepare_puts_the_pseudo_headers_sum(void **state)
{
	struct rte_mbuf *m;
	struct rte_ipv4_hdr *ip;
	struct rte_tcp_hdr *tcp;

	begin(1, 1, NULL);
	m = packet(100);
	ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14);
	ip->version_ihl = 0x45;
	ip->next_proto_id = 6;
	ip->src_addr = 0x0100000A;
	ip->dst_addr = 0x0200000A;
	ip->total_length = rte_cpu_to_be_16(86);
	tcp = (struct rte_tcp_hdr *)(ip + 1);
	m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM;
	m->l2_len = 14;
	m->l3_len = 20;
	assert_int_equal(igb_prep_pkts(txq(), &m, 1), 1);
	assert_int_equal(tcp->cksum, rte_ipv4_phdr_cksum(ip, m->ol_flags));
	rte_pktmbuf_free(m);
}

/* Packet type, flags and fields come from the descriptor. */
static void
rx_fields_are_the_descriptors(void **state)
{
	static const struct {
		uint16_t type;
		uint32_t l3, l4;
	} t[] = {
		{ 0, 0, 0 }, { 1, RTE_PTYPE_L3_IPV4, 0 }, { 3, RTE_PTYPE_L3_IPV4_EXT, 0 },
		{ 4, RTE_PTYPE_L3_IPV6, 0 }, { 12, RTE_PTYPE_L3_IPV6_EXT, 0 },
		{ 0x11, RTE_PTYPE_L3_IPV4, RTE_PTYPE_L4_TCP },
		{ 0x21, RTE_PTYPE_L3_IPV4, RTE_PTYPE_L4_UDP },
		{ 0x44, RTE_PTYPE_L3_IPV6, RTE_PTYPE_L4_SCTP },
		{ 0x10, 0, 0 }, { 0xFF, RTE_PTYPE_L3_IPV4_EXT, RTE_PTYPE_L4_TCP },
	};
	const struct rte_eth_conf conf = { .rxmode.offloads = RTE_ETH_RX_OFFLOAD_CHECKSUM };
	struct rte_mbuf *m;
	unsigned int i;

	begin(1, 1, &conf);
	for (i = 0; i < RTE_DIM(t); i++) {
		union igb_rx_desc *d = &rxq()->ring[rxq()->next];

		m = rxq()->sw_mbuf[rxq()->next];
		m->data_off = 7; /* left there by the application */
		d->wb.pkt_info = t[i].type << 4 | (i & 1 ? 2 : 0);
		d->wb.rss = 0x12345678 + i;
		d->wb.length = 100 + i;
		d->wb.vlan = 0x4567;
		d->wb.staterr = GOOD | (i & 2 ? IGB_RXD_STAT_VP : 0);
		assert_int_equal(rte_eth_rx_burst(PORT, 0, &m, 1), 1);
		assert_int_equal(m->packet_type, RTE_PTYPE_L2_ETHER | t[i].l3 | t[i].l4);
		assert_int_equal(m->data_off, RTE_PKTMBUF_HEADROOM);
		assert_int_equal(m->pkt_len, 100 + i);
		assert_int_equal(m->data_len, 100 + i);
		assert_int_equal(m->nb_segs, 1);
		assert_int_equal(rte_mbuf_refcnt_read(m), 1);
		assert_null(m->next);
		assert_int_equal(!!(m->ol_flags & RTE_MBUF_F_RX_RSS_HASH), i & 1);
		if (i & 1)
			assert_int_equal(m->hash.rss, 0x12345678 + i);
		assert_int_equal(m->ol_flags & (RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED),
			i & 2 ? RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED : 0);
		if (i & 2)
			assert_int_equal(m->vlan_tci, 0x4567);
		rte_pktmbuf_free(m);
	}
}

/* The driver posts new buffers, and writes the tail register in batches. */
static void
rx_ring_is_filled_up_in_batches(void **state)
{
	struct rte_mbuf *m[64];
	unsigned int i;

	begin(1, 1, NULL);
	assert_int_equal(rxq()->free_thresh, 16);
	for (i = 0; i < 63; i++) {
		assert_int_equal(rxq()->ring[i].read.hdr_addr, 0);
		assert_true(rxq()->ring[i].read.pkt_addr == rxq()->sw_addr[i]);
	}
	for (i = 0; i < 17; i++) {
		rxq()->ring[i].wb.length = 60;
		rxq()->ring[i].wb.staterr = GOOD;
	}
	assert_int_equal(rte_eth_rx_burst(PORT, 0, m, 16), 16);
	/* Sixteen are missing, which is not more than the threshold. */
	assert_int_equal(*reg(IGB_RDT(0)), 63);
	assert_int_equal(rte_eth_rx_burst(PORT, 0, m + 16, 16), 1);
	assert_int_equal(*reg(IGB_RDT(0)), 16); /* up to the ring's end, and from its start */
	assert_int_equal(rxq()->posted, 63);
	for (i = 0; i < 16; i++) {
		assert_int_equal(rxq()->ring[i].read.hdr_addr, 0);
		assert_true(rxq()->ring[i].read.pkt_addr == rxq()->sw_addr[i]);
	}
	rte_pktmbuf_free_bulk(m, 17);
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
		{ "dma=bounce,dma_debug=1", false, 0, { .dma = GANTRY_DMA_MODE_BOUNCE,
			.dma_debug = GANTRY_DMA_DEBUG_ON } },
		{ "dma_debug=abort", false, 0, { .dma_debug = GANTRY_DMA_DEBUG_ABORT } },
		{ "dma_debug=0", false, 0, { .dma_debug = GANTRY_DMA_DEBUG_OFF } },
		{ "dma_debug=on", false, -EINVAL, { .untested = false } },
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
 * Interrupts.
 */

static unsigned int lsc_events, reset_events;

static int
on_event(uint16_t port, enum rte_eth_event_type type, void *arg, void *ret)
{
	__atomic_fetch_add((unsigned int *)arg, 1, __ATOMIC_RELEASE);
	return 0;
}

static int
port_with_interrupts(uint32_t nb_vectors, bool per_queue)
{
	fake_init();
	lsc_events = reset_events = 0;
	fake.intr = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	assert_non_null(fake.intr);
	rte_intr_type_set(fake.intr, RTE_INTR_HANDLE_VDEV);
	rte_intr_fd_set(fake.intr, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	fake.nb_vectors = nb_vectors;
	fake.intr_per_queue = per_queue;
	assert_int_equal(probe(), 0);
	assert_int_equal(rte_eth_dev_get_port_by_name("fake0", &fake.port), 0);
	return 0;
}

static int
intr_new(void **state)
{
	return port_with_interrupts(25, true);
}

static int
few_new(void **state)
{
	return port_with_interrupts(3, true);
}

static int
single_new(void **state)
{
	return port_with_interrupts(1, false);
}

static int
intr_gone(void **state)
{
	const int fd = rte_intr_fd_get(fake.intr);
	int ret = port_gone(state);

	close(fd);
	rte_intr_instance_free(fake.intr);
	fake.intr = NULL;
	return ret;
}

/* Raise vector 0, and wait until the handler has drained it and written the register `rearm`. */
static void
raise_misc(uint32_t icr, uint32_t rearm)
{
	const unsigned int before = __atomic_load_n(&fake.drained, __ATOMIC_ACQUIRE);
	unsigned int i;

	*reg(IGB_ICR) = icr;
	*reg(rearm) = 0;
	eventfd_write(rte_intr_fd_get(fake.intr), 1);
	for (i = 0; i < 100000; i++) {
		if (__atomic_load_n(&fake.drained, __ATOMIC_ACQUIRE) != before &&
				__atomic_load_n(reg(rearm), __ATOMIC_ACQUIRE) != 0)
			break;
		usleep(1000);
	}
	assert_int_not_equal(__atomic_load_n(reg(rearm), __ATOMIC_ACQUIRE), 0);
}

static void
wait_events(const unsigned int *events, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < 100000 && __atomic_load_n(events, __ATOMIC_ACQUIRE) != n; i++)
		usleep(1000);
	assert_int_equal(__atomic_load_n(events, __ATOMIC_ACQUIRE), n);
}

static bool
was_raised(uint16_t queue)
{
	eventfd_t n;

	return eventfd_read(rte_intr_efds_index_get(fake.intr, queue), &n) == 0;
}

static void
each_queue_has_its_own_vector(void **state)
{
	const struct rte_eth_conf conf = { .rxmode.mq_mode = RTE_ETH_MQ_RX_RSS,
		.intr_conf = { .lsc = 1, .rxq = 1 } };
	unsigned int q;

	for (q = 0; q < 3; q++)
		*reg(IGB_EITR(q)) = 77;
	begin(16, 1, &conf);
	assert_int_equal(*reg(IGB_GPIE), IGB_GPIE_MULTIPLE_MSIX | IGB_GPIE_PBA | IGB_GPIE_EIAME |
		IGB_GPIE_NSICR);
	assert_int_equal(*reg(IGB_IVAR_MISC), 0x80u << 8);
	for (q = 0; q < 8; q++) /* queue q, and q + 8 in the upper half */
		assert_int_equal(*reg(IGB_IVAR(q)), (0x81u + q) | (0x89u + q) << 16);
	assert_int_equal(*reg(IGB_EIAC), 0x1FFFF);
	assert_int_equal(*reg(IGB_EIAM), 0x1FFFF);
	assert_int_equal(*reg(IGB_EIMS), 1);
	assert_int_equal(*reg(IGB_EITR(1)), 0);
	assert_int_equal(*reg(IGB_IMS), IGB_ICR_LSC | IGB_ICR_FER | IGB_ICR_DOUTSYNC);
	assert_int_equal(rte_eth_dev_rx_intr_enable(PORT, 0), 0);
	assert_int_equal(rte_eth_dev_rx_intr_enable(PORT, 15), 0);
	assert_int_equal(*reg(IGB_EIMS), 1 | 1u << 1 | 1u << 16);
	assert_int_equal(rte_eth_dev_rx_intr_disable(PORT, 15), 0);
	assert_int_equal(*reg(IGB_EIMS), 1 | 1u << 1);
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	assert_int_equal(*reg(IGB_EIMS), 0);
	assert_int_equal(*reg(IGB_IMS), 0);
	/* Without receive interrupts, no queue raises an interrupt. */
	memset(reg(IGB_IVAR(0)), 0, 32);
	begin(2, 1, &(struct rte_eth_conf){ .rxmode.mq_mode = RTE_ETH_MQ_RX_RSS });
	assert_int_equal(*reg(IGB_IVAR(0)), 0);
	assert_int_equal(*reg(IGB_EIAC), 1);
	assert_int_equal(*reg(IGB_IMS), IGB_ICR_FER | IGB_ICR_DOUTSYNC);
}

/* Three vectors: queues 0 and 1 have one each, queues 2 to 4 share vector 0. */
static void
queues_beyond_the_vectors_share_one(void **state)
{
	const struct rte_eth_conf conf = { .rxmode.mq_mode = RTE_ETH_MQ_RX_RSS,
		.intr_conf.rxq = 1 };
	struct igb_rx_queue *q3;

	assert_int_equal(rte_eth_dev_configure(PORT, 5, 1, &conf), 0);
	begin(5, 1, &conf);
	q3 = rte_eth_devices[PORT].data->rx_queues[3];
	assert_int_equal(*reg(IGB_IVAR(0)), 0x81);
	assert_int_equal(*reg(IGB_IVAR(1)), 0x82);
	assert_int_equal(*reg(IGB_IVAR(2)), 0);
	assert_int_equal(*reg(IGB_EIAC), 7);
	assert_int_equal(rte_eth_dev_rx_intr_enable(PORT, 2), 0);
	assert_int_equal(rte_eth_dev_rx_intr_enable(PORT, 3), 0);
	assert_int_equal(rte_eth_dev_rx_intr_enable(PORT, 4), 0);
	assert_int_equal(*reg(IGB_IVAR(2)), 0x80);
	assert_int_equal(*reg(IGB_IVAR(4)), 0x80);
	assert_int_equal(rte_eth_dev_rx_intr_disable(PORT, 4), 0);
	assert_int_equal(*reg(IGB_IVAR(4)), 0);
	assert_false(was_raised(2) || was_raised(3) || was_raised(4));
	/* Queues that have enabled their interrupt are woken, once. */
	raise_misc(0, IGB_EIMS);
	assert_true(was_raised(2) && was_raised(3));
	assert_false(was_raised(4) || was_raised(1));
	assert_int_equal(*reg(IGB_IVAR(2)), 0);
	raise_misc(0, IGB_EIMS);
	assert_false(was_raised(2) || was_raised(3));
	/*
	 * If a frame is present when a queue enables its interrupt, the queue is woken immediately.
	 */
	q3->ring[0].wb.staterr = GOOD;
	assert_int_equal(rte_eth_dev_rx_intr_enable(PORT, 3), 0);
	assert_true(was_raised(3));
	assert_int_equal(*reg(IGB_IVAR(3)), 0);
	assert_int_equal(rte_intr_nb_efd_get(fake.intr), 5);
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	assert_int_equal(rte_intr_nb_efd_get(fake.intr), 0);
}

static void
link_changes_and_errors_are_events(void **state)
{
	const struct rte_eth_conf conf = { .intr_conf.lsc = 1 };
	struct rte_eth_link link;

	begin(1, 1, &conf);
	rte_eth_dev_callback_register(PORT, RTE_ETH_EVENT_INTR_LSC, on_event, &lsc_events);
	rte_eth_dev_callback_register(PORT, RTE_ETH_EVENT_INTR_RESET, on_event, &reset_events);
	fake.no_link = true;
	raise_misc(IGB_ICR_LSC, IGB_EIMS);
	wait_events(&lsc_events, 1);
	assert_int_equal(rte_eth_link_get_nowait(PORT, &link), 0);
	assert_int_equal(link.link_status, RTE_ETH_LINK_DOWN);
	/* Nothing has changed. */
	raise_misc(IGB_ICR_LSC, IGB_EIMS);
	fake.no_link = false;
	raise_misc(0, IGB_EIMS);
	raise_misc(IGB_ICR_FER, IGB_EIMS);
	wait_events(&reset_events, 1);
	assert_int_equal(lsc_events, 1);
	raise_misc(IGB_ICR_LSC | IGB_ICR_DOUTSYNC, IGB_EIMS);
	wait_events(&reset_events, 2);
	assert_int_equal(lsc_events, 2);
	rte_eth_dev_callback_unregister(PORT, RTE_ETH_EVENT_INTR_LSC, on_event, &lsc_events);
	rte_eth_dev_callback_unregister(PORT, RTE_ETH_EVENT_INTR_RESET, on_event, &reset_events);
}

static void
single_interrupt_is_armed_by_its_causes(void **state)
{
	const struct rte_eth_conf conf = { .intr_conf.lsc = 1 };

	*reg(IGB_GPIE) = 77;
	begin(1, 1, &conf);
	assert_int_equal(*reg(IGB_GPIE), 0);
	assert_int_equal(*reg(IGB_EIMS), 0);
	assert_int_equal(*reg(IGB_IMS), IGB_ICR_LSC | IGB_ICR_FER | IGB_ICR_DOUTSYNC);
	rte_eth_dev_callback_register(PORT, RTE_ETH_EVENT_INTR_LSC, on_event, &lsc_events);
	fake.no_link = true;
	raise_misc(IGB_ICR_LSC, IGB_IMS);
	wait_events(&lsc_events, 1);
	assert_int_equal(*reg(IGB_IMS), IGB_ICR_LSC | IGB_ICR_FER | IGB_ICR_DOUTSYNC);
	rte_eth_dev_callback_unregister(PORT, RTE_ETH_EVENT_INTR_LSC, on_event, &lsc_events);
	assert_int_equal(igb_rx_queue_intr_enable(&rte_eth_devices[PORT], 0), -ENOTSUP);
	assert_int_equal(igb_rx_queue_intr_disable(&rte_eth_devices[PORT], 0), -ENOTSUP);
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

int
main(int argc, char **argv)
{
#define PORT_TEST(name) cmocka_unit_test_setup_teardown(name, port_new, port_gone)
	const struct CMUnitTest tests[] = {
		PORT_TEST(rss_types_and_key_are_written),
		PORT_TEST(redirection_table_is_written),
		PORT_TEST(refused_redirection_table_changes_nothing),
		PORT_TEST(addresses_are_written_and_never_half),
		PORT_TEST(multicast_addresses_set_their_bits),
		PORT_TEST(promiscuous_and_allmulticast_do_not_undo_each_other),
		PORT_TEST(vlans_are_filtered_and_stripped_as_configured),
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
		PORT_TEST(receiver_is_set_up_as_configured),
		PORT_TEST(rings_are_described_to_the_device),
		PORT_TEST(queue_thresholds_have_their_limits),
		PORT_TEST(tx_requests_are_in_the_descriptors),
		PORT_TEST(tx_contexts_are_used_again),
		PORT_TEST(tx_groups_end_with_a_report),
		PORT_TEST(tx_limits_are_exact),
		PORT_TEST(tx_prepare_refuses_inconsistent_chains),
		PORT_TEST(tx_prepare_puts_the_pseudo_headers_sum),
		PORT_TEST(rx_fields_are_the_descriptors),
		PORT_TEST(rx_ring_is_filled_up_in_batches),
		PORT_TEST(devargs_are_parsed_and_refused),
		cmocka_unit_test_setup_teardown(each_queue_has_its_own_vector, intr_new,
			intr_gone),
		cmocka_unit_test_setup_teardown(queues_beyond_the_vectors_share_one, few_new,
			intr_gone),
		cmocka_unit_test_setup_teardown(link_changes_and_errors_are_events, intr_new,
			intr_gone),
		cmocka_unit_test_setup_teardown(single_interrupt_is_armed_by_its_causes, single_new,
			intr_gone),
		PORT_TEST(reset_masks_interrupts_and_release_clears_drv_load),
	};
	static char args[32];

	iommu.mode = argv[--argc];
	snprintf(args, sizeof(args), "dma=%s", iommu.mode);
	iommu.devargs.args = args;
	eal_start(argc, argv, NULL);
	pool = rte_pktmbuf_pool_create("test", MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
		SOCKET_ID_ANY);
	assert_non_null(pool);
	return cmocka_run_group_tests_name("igb_ethdev", tests, NULL, NULL);
}
