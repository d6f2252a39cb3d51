/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Filters: which frames the device accepts, and which queue they go to. Addresses, VLANs, RSS.
 *
 * A reset clears all filters. The driver programs them again, from the adapter and from the data of
 * ethdev, before it enables the receiver. ethdev itself repeats addresses and promiscuous modes
 * after a start, which is too late for the frames that arrive in between.
 */

#include <errno.h>
#include <string.h>

#include <rte_byteorder.h>

#include "igb_ethdev.h"

/* Example key of Microsoft, the default of most drivers, so that traces can be compared. */
/* clang-format off */
static const uint8_t igb_rss_default_key[IGB_RSS_KEY_LEN] = {
	0x6D, 0x5A, 0x56, 0xDA, 0x25, 0x5B, 0x0E, 0xC2, 0x41, 0x67, 0x25, 0x3D, 0x43, 0xA3,
	0x8F, 0xB0, 0xD0, 0xCA, 0x2B, 0xCB, 0xAE, 0x7B, 0x30, 0xB4, 0x77, 0xCB, 0x2D, 0xA3,
	0x80, 0x30, 0xF2, 0x0C, 0x6A, 0x42, 0xB7, 0x3B, 0xBE, 0xAC, 0x01, 0xFA,
};
/* clang-format on */

static const struct {
	uint64_t hf;
	uint32_t mrqc;
} igb_rss_fields[] = {
	{ RTE_ETH_RSS_IPV4, IGB_MRQC_RSS_IPV4 },
	{ RTE_ETH_RSS_NONFRAG_IPV4_TCP, IGB_MRQC_RSS_TCPIPV4 },
	{ RTE_ETH_RSS_NONFRAG_IPV4_UDP, IGB_MRQC_RSS_UDPIPV4 },
	{ RTE_ETH_RSS_IPV6, IGB_MRQC_RSS_IPV6 },
	{ RTE_ETH_RSS_NONFRAG_IPV6_TCP, IGB_MRQC_RSS_TCPIPV6 },
	{ RTE_ETH_RSS_NONFRAG_IPV6_UDP, IGB_MRQC_RSS_UDPIPV6 },
	{ RTE_ETH_RSS_IPV6_EX, IGB_MRQC_RSS_IPV6EX },
	{ RTE_ETH_RSS_IPV6_TCP_EX, IGB_MRQC_RSS_TCPIPV6EX },
	{ RTE_ETH_RSS_IPV6_UDP_EX, IGB_MRQC_RSS_UDPIPV6EX },
};

/*
 * Addresses (8.10.14 to 8.10.16).
 */

static int
igb_rar_set(struct igb_hw *hw, uint32_t index, const struct rte_ether_addr *addr)
{
	uint32_t low = 0, high = 0;

	if (addr != NULL) {
		memcpy(&low, &addr->addr_bytes[0], 4);
		memcpy(&high, &addr->addr_bytes[4], 2);
		low = rte_le_to_cpu_32(low);
		high = rte_le_to_cpu_32(high) | IGB_RAH_AV;
	}
	/*
	 * An unchanged entry stays valid all the time: ethdev sets the addresses again after the
	 * start of a port, and the device must accept the frames that arrive in the meantime.
	 */
	if (igb_rd(hw, IGB_RAL(index)) == low && igb_rd(hw, IGB_RAH(index)) == high)
		return 0;
	/* The entry must never be valid with half of an address. */
	igb_wr(hw, IGB_RAH(index), 0);
	igb_wr(hw, IGB_RAL(index), low);
	igb_wr(hw, IGB_RAH(index), high);
	igb_flush(hw);
	return igb_hw_alive(hw) ? 0 : -ENODEV;
}

int
igb_mac_addr_add(struct rte_eth_dev *dev, struct rte_ether_addr *addr, uint32_t index,
		uint32_t pool)
{
	struct igb_hw *hw = igb_hw_of(dev);

	if (index >= hw->ctl->nb_rar)
		return -ENOSPC;
	return igb_rar_set(hw, index, addr);
}

void
igb_mac_addr_remove(struct rte_eth_dev *dev, uint32_t index)
{
	if (index < igb_hw_of(dev)->ctl->nb_rar)
		igb_rar_set(igb_hw_of(dev), index, NULL);
}

int
igb_mac_addr_set(struct rte_eth_dev *dev, struct rte_ether_addr *addr)
{
	return igb_rar_set(igb_hw_of(dev), 0, addr);
}

int
igb_set_mc_addr_list(struct rte_eth_dev *dev, struct rte_ether_addr *list, uint32_t nb)
{
	struct igb_adapter *ad = igb_adapter_of(dev);
	uint32_t i;

	/* Bits 47:36 of the address (RCTL.MO = 0) are the index of a bit. */
	memset(ad->mta, 0, sizeof(ad->mta));
	for (i = 0; i < nb; i++) {
		const uint8_t *a = list[i].addr_bytes;
		const uint16_t hash = (a[4] >> 4 | (uint16_t)a[5] << 4) & 0xFFF;

		ad->mta[hash >> 5] |= 1u << (hash & 31);
	}
	for (i = 0; i < IGB_NUM_MTA; i++)
		igb_wr(&ad->hw, IGB_MTA(i), ad->mta[i]);
	return igb_hw_alive(&ad->hw) ? 0 : -ENODEV;
}

static int
igb_rctl(struct rte_eth_dev *dev, uint32_t set, uint32_t clear)
{
	struct igb_hw *hw = igb_hw_of(dev);

	if (!igb_hw_alive(hw))
		return -ENODEV;
	igb_set(hw, IGB_RCTL, set, clear);
	return igb_hw_alive(hw) ? 0 : -ENODEV;
}

int
igb_promiscuous_enable(struct rte_eth_dev *dev)
{
	return igb_rctl(dev, IGB_RCTL_UPE | IGB_RCTL_MPE, 0);
}

int
igb_promiscuous_disable(struct rte_eth_dev *dev)
{
	return igb_rctl(dev, 0, IGB_RCTL_UPE | (dev->data->all_multicast ? 0 : IGB_RCTL_MPE));
}

int
igb_allmulticast_enable(struct rte_eth_dev *dev)
{
	return igb_rctl(dev, IGB_RCTL_MPE, 0);
}

int
igb_allmulticast_disable(struct rte_eth_dev *dev)
{
	return dev->data->promiscuous ? 0 : igb_rctl(dev, 0, IGB_RCTL_MPE);
}

/*
 * VLAN (7.4).
 */

int
igb_vlan_filter_set(struct rte_eth_dev *dev, uint16_t vlan, int on)
{
	struct igb_adapter *ad = igb_adapter_of(dev);
	const uint32_t bit = 1u << (vlan & 31);
	uint32_t *word = &ad->vfta[(vlan >> 5) % IGB_NUM_VFTA];

	*word = on ? *word | bit : *word & ~bit;
	igb_wr(&ad->hw, IGB_VFTA((vlan >> 5) % IGB_NUM_VFTA), *word);
	return igb_hw_alive(&ad->hw) ? 0 : -ENODEV;
}

int
igb_vlan_offload_set(struct rte_eth_dev *dev, int mask)
{
	const uint64_t offloads = dev->data->dev_conf.rxmode.offloads;
	struct igb_hw *hw = igb_hw_of(dev);

	if (mask & RTE_ETH_VLAN_STRIP_MASK) {
		if (offloads & RTE_ETH_RX_OFFLOAD_VLAN_STRIP)
			igb_set(hw, IGB_CTRL, IGB_CTRL_VME, 0);
		else
			igb_set(hw, IGB_CTRL, 0, IGB_CTRL_VME);
	}
	if (mask & RTE_ETH_VLAN_FILTER_MASK) {
		if (offloads & RTE_ETH_RX_OFFLOAD_VLAN_FILTER)
			igb_set(hw, IGB_RCTL, IGB_RCTL_VFE, IGB_RCTL_CFIEN);
		else
			igb_set(hw, IGB_RCTL, 0, IGB_RCTL_VFE | IGB_RCTL_CFIEN);
	}
	return igb_hw_alive(hw) ? 0 : -ENODEV;
}

/*
 * RSS (7.1.2.8).
 */

static void
igb_rss_write_key(struct igb_adapter *ad)
{
	unsigned int i;
	uint32_t word;

	for (i = 0; i < IGB_RSS_KEY_LEN / 4; i++) {
		memcpy(&word, &ad->rss_key[4 * i], 4);
		igb_wr(&ad->hw, IGB_RSSRK(i), rte_le_to_cpu_32(word));
	}
}

static void
igb_rss_write_reta(struct igb_adapter *ad)
{
	unsigned int i;
	uint32_t word;

	for (i = 0; i < IGB_NUM_RETA / 4; i++) {
		memcpy(&word, &ad->reta[4 * i], 4);
		igb_wr(&ad->hw, IGB_RETA(i), rte_le_to_cpu_32(word));
	}
}

static void
igb_rss_write_mrqc(struct rte_eth_dev *dev)
{
	const struct igb_adapter *ad = igb_adapter_of(dev);
	uint32_t mrqc = 0;
	unsigned int i;

	if (dev->data->dev_conf.rxmode.mq_mode & RTE_ETH_MQ_RX_RSS_FLAG && ad->rss_hf != 0) {
		mrqc = IGB_MRQC_ENABLE_RSS;
		for (i = 0; i < RTE_DIM(igb_rss_fields); i++)
			if (ad->rss_hf & igb_rss_fields[i].hf)
				mrqc |= igb_rss_fields[i].mrqc;
	}
	igb_wr(&ad->hw, IGB_MRQC, mrqc);
}

static int
igb_rss_take_conf(struct rte_eth_dev *dev, const struct rte_eth_rss_conf *conf)
{
	struct igb_adapter *ad = igb_adapter_of(dev);

	if (conf->rss_key != NULL && conf->rss_key_len != 0 &&
			conf->rss_key_len != IGB_RSS_KEY_LEN) {
		IGB_DRV_LOG(ERR, &ad->hw, "RSS key of %u bytes: an 82576 has one of %u",
				conf->rss_key_len, IGB_RSS_KEY_LEN);
		return -EINVAL;
	}
	if (conf->rss_hf & ~IGB_RSS_OFFLOADS) {
		IGB_DRV_LOG(ERR, &ad->hw, "RSS types 0x%" PRIx64 ": the device supports 0x%" PRIx64,
				conf->rss_hf, (uint64_t)IGB_RSS_OFFLOADS);
		return -EINVAL;
	}
	if (conf->rss_key != NULL)
		memcpy(ad->rss_key, conf->rss_key, IGB_RSS_KEY_LEN);
	ad->rss_hf = conf->rss_hf;
	return 0;
}

int
igb_rss_hash_update(struct rte_eth_dev *dev, struct rte_eth_rss_conf *conf)
{
	struct igb_adapter *ad = igb_adapter_of(dev);
	int ret;

	if (!(dev->data->dev_conf.rxmode.mq_mode & RTE_ETH_MQ_RX_RSS_FLAG) && conf->rss_hf != 0) {
		IGB_DRV_LOG(ERR, &ad->hw,
				"RSS cannot be enabled: configure the port with mq_mode "
				"RTE_ETH_MQ_RX_RSS");
		return -EINVAL;
	}
	ret = igb_rss_take_conf(dev, conf);
	if (ret != 0)
		return ret;
	igb_rss_write_key(ad);
	igb_rss_write_mrqc(dev);
	return igb_hw_alive(&ad->hw) ? 0 : -ENODEV;
}

int
igb_rss_hash_conf_get(struct rte_eth_dev *dev, struct rte_eth_rss_conf *conf)
{
	const struct igb_adapter *ad = igb_adapter_of(dev);

	if (conf->rss_key != NULL && conf->rss_key_len >= IGB_RSS_KEY_LEN)
		memcpy(conf->rss_key, ad->rss_key, IGB_RSS_KEY_LEN);
	conf->rss_key_len = IGB_RSS_KEY_LEN;
	conf->rss_hf = dev->data->dev_conf.rxmode.mq_mode & RTE_ETH_MQ_RX_RSS_FLAG ? ad->rss_hf : 0;
	return 0;
}

static int
igb_reta_check_size(const struct igb_hw *hw, uint16_t size)
{
	if (size == IGB_NUM_RETA)
		return 0;
	IGB_DRV_LOG(ERR, hw, "redirection table of %u entries: an 82576 has one of %u", size,
			IGB_NUM_RETA);
	return -EINVAL;
}

/* Return entry i of a table, or NULL if its mask excludes the entry. */
static uint16_t *
igb_reta_entry(struct rte_eth_rss_reta_entry64 *reta, uint16_t i)
{
	struct rte_eth_rss_reta_entry64 *group = &reta[i / RTE_ETH_RETA_GROUP_SIZE];
	const uint16_t k = i % RTE_ETH_RETA_GROUP_SIZE;

	return group->mask >> k & 1 ? &group->reta[k] : NULL;
}

int
igb_reta_update(struct rte_eth_dev *dev, struct rte_eth_rss_reta_entry64 *reta, uint16_t size)
{
	struct igb_adapter *ad = igb_adapter_of(dev);
	const uint16_t *queue;
	uint16_t i;

	if (igb_reta_check_size(&ad->hw, size) != 0)
		return -EINVAL;
	/* Check all entries first: the next start would program a table that is half changed. */
	for (i = 0; i < size; i++) {
		queue = igb_reta_entry(reta, i);
		if (queue != NULL && *queue >= dev->data->nb_rx_queues) {
			IGB_DRV_LOG(ERR, &ad->hw, "redirection table entry %u: queue %u of %u", i,
					*queue, dev->data->nb_rx_queues);
			return -EINVAL;
		}
	}
	for (i = 0; i < size; i++) {
		queue = igb_reta_entry(reta, i);
		if (queue != NULL)
			ad->reta[i] = *queue;
	}
	igb_rss_write_reta(ad);
	return igb_hw_alive(&ad->hw) ? 0 : -ENODEV;
}

int
igb_reta_query(struct rte_eth_dev *dev, struct rte_eth_rss_reta_entry64 *reta, uint16_t size)
{
	const struct igb_adapter *ad = igb_adapter_of(dev);
	uint16_t *queue;
	uint16_t i;

	if (igb_reta_check_size(&ad->hw, size) != 0)
		return -EINVAL;
	for (i = 0; i < size; i++) {
		queue = igb_reta_entry(reta, i);
		if (queue != NULL)
			*queue = ad->reta[i];
	}
	return 0;
}

int
igb_filter_configure(struct rte_eth_dev *dev)
{
	struct igb_adapter *ad = igb_adapter_of(dev);
	unsigned int i;

	memcpy(ad->rss_key, igb_rss_default_key, sizeof(ad->rss_key));
	ad->rss_hf = 0;
	/* The earlier table might name queues that no longer exist. */
	for (i = 0; i < IGB_NUM_RETA; i++)
		ad->reta[i] = dev->data->nb_rx_queues == 0 ? 0 : i % dev->data->nb_rx_queues;
	if (dev->data->dev_conf.rxmode.mq_mode & RTE_ETH_MQ_RX_RSS_FLAG)
		return igb_rss_take_conf(dev, &dev->data->dev_conf.rx_adv_conf.rss_conf);
	return 0;
}

void
igb_filter_start(struct rte_eth_dev *dev)
{
	struct igb_adapter *ad = igb_adapter_of(dev);
	struct igb_hw *hw = &ad->hw;
	const uint32_t all = IGB_RCTL_UPE | IGB_RCTL_MPE;
	uint32_t accept = dev->data->all_multicast ? IGB_RCTL_MPE : 0;
	unsigned int i;

	if (dev->data->promiscuous)
		accept = all;
	for (i = 0; i < hw->ctl->nb_rar; i++)
		if (!rte_is_zero_ether_addr(&dev->data->mac_addrs[i]))
			igb_rar_set(hw, i, &dev->data->mac_addrs[i]);
	igb_set(hw, IGB_RCTL, accept, all);
	for (i = 0; i < IGB_NUM_MTA; i++)
		igb_wr(hw, IGB_MTA(i), ad->mta[i]);
	for (i = 0; i < IGB_NUM_VFTA; i++)
		igb_wr(hw, IGB_VFTA(i), ad->vfta[i]);
	igb_wr(hw, IGB_VET, RTE_ETHER_TYPE_VLAN);
	igb_vlan_offload_set(dev, RTE_ETH_VLAN_STRIP_MASK | RTE_ETH_VLAN_FILTER_MASK);
	igb_rss_write_key(ad);
	igb_rss_write_reta(ad);
	igb_rss_write_mrqc(dev);
}
