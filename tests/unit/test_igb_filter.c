/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the driver's filters (drivers/net/igb/igb_filter.c): RSS, addresses, VLANs. Each case
 * configures the port by ethdev calls, and compares the registers of the fake device (igb_fake.h),
 * most cases again after a restart of the port.
 */

#include "igb_fake.h"

/*
 * The port receives on its own address from the start of reception until it gets another address.
 */
static void
own_address_stays_valid_until_changed(void **state)
{
	struct rte_ether_addr own, other = { { 2, 1, 2, 3, 4, 5 } };

	start(0);
	assert_int_equal(rte_eth_macaddr_get(PORT, &own), 0);
	assert_int_equal(rte_eth_dev_default_mac_addr_set(PORT, &own), 0);
	assert_int_equal(fake.deaf, 0);
	assert_true(*reg(IGB_RAH(0)) & IGB_RAH_AV);
	assert_int_equal(rte_eth_dev_default_mac_addr_set(PORT, &other), 0);
	assert_int_equal(fake.deaf, 1);
	assert_memory_equal(reg(IGB_RAL(0)), &other, 4);
	assert_int_equal(*reg(IGB_RAH(0)), IGB_RAH_AV | 0x0504);
}

static void
rss_types_and_key_are_written(void **state)
{
	static const struct {
		uint64_t hf;
		uint32_t bit;
	} t[] = {
		{ RTE_ETH_RSS_NONFRAG_IPV4_TCP, 1u << 16 },
		{ RTE_ETH_RSS_IPV4, 1u << 17 },
		{ RTE_ETH_RSS_IPV6_TCP_EX, 1u << 18 },
		{ RTE_ETH_RSS_IPV6_EX, 1u << 19 },
		{ RTE_ETH_RSS_IPV6, 1u << 20 },
		{ RTE_ETH_RSS_NONFRAG_IPV6_TCP, 1u << 21 },
		{ RTE_ETH_RSS_NONFRAG_IPV4_UDP, 1u << 22 },
		{ RTE_ETH_RSS_NONFRAG_IPV6_UDP, 1u << 23 },
		{ RTE_ETH_RSS_IPV6_UDP_EX, 1u << 24 },
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
	assert_int_equal(igb_rss_hash_conf_get(&rte_eth_devices[PORT],
					 &(struct rte_eth_rss_conf){
							 .rss_key = got.rss_key,
							 .rss_key_len = 39,
					 }),
			0);
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
	begin(2, 1,
			&(struct rte_eth_conf){
					.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS,
					.rx_adv_conf.rss_conf.rss_hf = RTE_ETH_RSS_IPV4,
			});
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
		assert_int_equal(*reg(IGB_MTA(0)), 1u << 1 | 1u << 31);
		for (i = 1; i < 127; i++)
			assert_int_equal(*reg(IGB_MTA(i)), 0);
		assert_int_equal(*reg(IGB_MTA(127)), 1u << 31);
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
	assert_int_equal(*reg(IGB_VFTA(0)), 1u << 31 | 1);
	for (i = 1; i < 127; i++)
		assert_int_equal(*reg(IGB_VFTA(i)), 0);
	assert_int_equal(*reg(IGB_VFTA(127)), 1u << 31);
	assert_int_equal(rte_eth_dev_vlan_filter(PORT, 31, 0), 0);
	assert_int_equal(*reg(IGB_VFTA(0)), 1);
	/* At run time. */
	*reg(IGB_RCTL) |= IGB_RCTL_CFIEN;
	assert_int_equal(rte_eth_dev_set_vlan_offload(PORT, RTE_ETH_VLAN_STRIP_OFFLOAD), 0);
	assert_true(*reg(IGB_CTRL) & IGB_CTRL_VME);
	assert_false(*reg(IGB_RCTL) & (IGB_RCTL_VFE | IGB_RCTL_CFIEN));
	*reg(IGB_RCTL) |= IGB_RCTL_CFIEN;
	assert_int_equal(rte_eth_dev_set_vlan_offload(PORT, RTE_ETH_VLAN_FILTER_OFFLOAD), 0);
	assert_false(*reg(IGB_CTRL) & IGB_CTRL_VME);
	assert_int_equal(*reg(IGB_RCTL) & (IGB_RCTL_VFE | IGB_RCTL_CFIEN), IGB_RCTL_VFE);
	restart();
	assert_true(*reg(IGB_RCTL) & IGB_RCTL_VFE);
	assert_false(*reg(IGB_CTRL) & IGB_CTRL_VME);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		PORT_TEST(own_address_stays_valid_until_changed),
		PORT_TEST(rss_types_and_key_are_written),
		PORT_TEST(redirection_table_is_written),
		PORT_TEST(refused_redirection_table_changes_nothing),
		PORT_TEST(addresses_are_written_and_never_half),
		PORT_TEST(multicast_addresses_set_their_bits),
		PORT_TEST(promiscuous_and_allmulticast_do_not_undo_each_other),
		PORT_TEST(vlans_are_filtered_and_stripped_as_configured),
	};

	fake_start_eal(argc, argv);
	return cmocka_run_group_tests_name("igb_filter", tests, NULL, NULL);
}
