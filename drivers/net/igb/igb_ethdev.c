/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * net_gantry_igb: a poll-mode driver for the Intel 82576 and related controllers. Start here.
 *
 * 1. The controller
 *
 * An 82576 port consists of a block of registers (BAR 0), up to 16 receive and 16 transmit rings
 * in host memory, and a wire. The driver configures everything through registers. A register
 * access is slow: a PCIe round trip, or a message to the process that emulates the device.
 * Packets therefore move through the rings, and the driver writes one register per burst, the
 * doorbell, to announce new descriptors.
 *
 * 2. Files
 *
 *   igb_plugin.c   what happens when the plugin is loaded
 *   igb_pci.c      a bus, by the operations of igb_bus.h
 *   igb_vfio_user.c  another one. igb_vdev.c lets a vdev own one of its devices.
 *   rte_pmd_gantry_igb.c  public functions
 *   igb_probe.c    probe and remove
 *   igb_ethdev.c   life of a port: configure, start, stop, reset, close; the table of operations
 *   igb_watchdog.c detects queues that stall
 *   igb_intr.c     interrupts: link changes, receive queues
 *   igb_queue.c    queues: set-up, start, stop, release
 *   igb_recycle.c  transmitted mbufs that return to a receive ring
 *   igb_rx_avx2.c  receive, eight descriptors at a time
 *   igb_tx_avx2.c  transmit, four descriptors at a time
 *   igb_rx.c       receive: buffers, bursts
 *   igb_tx.c       transmit: descriptors, contexts, bursts
 *   igb_filter.c   addresses, VLANs, RSS
 *   igb_event.c    events, and a lost device
 *   igb_link.c     the state of the link
 *   igb_stats.c    counters
 *   igb_mp.c       requests of secondary processes
 *   igb_numa.c     memory and cores near the device
 *   igb_devargs.c  device arguments
 *   igb_hw.c       reset, NVM, PHY, semaphores, link; the table of controllers
 *
 * A file calls only files below it in this list.
 *
 * 3. Data structures
 *
 *   rte_eth_dev_data
 *     dev_private --> igb_adapter             one per port, in shared memory
 *                       hw                    register access, through hw.bus and hw.bus_dev
 *                       dma ----------------> gantry_dma_dev: the device as lib/dma knows it
 *                       doorbells[2]          addresses of RDT and TDT of queue 0
 *                       rx_stats[], tx_stats[]  counters of each queue number
 *     rx_queues[i] -> igb_rx_queue
 *                       ring ---------------> rx descriptors  <-- bus address in RDBAL, RDBAH
 *                       sw_mbuf[n]            mbuf that descriptor n points into
 *                       sw_addr[n]            bus address of its buffer
 *     tx_queues[i] -> igb_tx_queue
 *                       ring ---------------> tx descriptors  <-- bus address in TDBAL, TDBAH
 *                       sw_mbuf[n]            mbuf that descriptor n, in use, points into
 *                       sw[n]                 its bus address and length
 *
 * 4. Rings, head and tail, DD
 *
 * A ring is an array of 16-byte descriptors. A descriptor holds the bus address of one buffer.
 *
 *                  head                     tail
 *                   v                        v
 *        +----+----+----+----+----+----+----+----+----+
 *   ring |    |    | #0 | #1 | #2 | #3 | #4 |    |    |      # the device owns it
 *        +----+----+-|--+-|--+-|--+-|--+-|--+----+----+
 *                    v    v    v    v    v
 *                  buffers of mbufs, which the device owns with their descriptors
 *
 * The device owns the descriptors from its head up to, not including, the tail; the driver owns
 * the others. Both indexes wrap to 0 at the end of the ring. If head == tail, the device owns
 * none, so the driver always keeps at least one descriptor.
 *
 *  - Driver to device: the driver writes descriptors, and then writes the index behind the last
 *    one to the tail register (RDT, TDT). This register is the doorbell.
 *  - Device to driver: the device writes back, that is, it overwrites a descriptor with its
 *    result, and sets DD ("descriptor done") in it. It writes back every receive descriptor, and
 *    those transmit descriptors whose RS ("report status") bit the driver has set.
 *
 * Order of memory accesses: rte_write32() to the doorbell contains the barrier that makes the
 * descriptors visible before the doorbell. The load of DD has acquire semantics, so the CPU reads
 * the other fields and the data after DD.
 *
 * The data path never reads the head register. DD resides in host memory, so polling it costs a
 * cache access instead of a round trip; and DD also means that the data has arrived, because the
 * device writes the data before the descriptor.
 *
 * 5. A received packet
 *
 *   a. igb_rx_refill() has igb_rx_post() take mbufs from the mempool of the queue. igb_rx_write()
 *      maps the data room of each (gantry_dma_map_mbuf_attrs() returns the bus address) and writes
 *      a descriptor.
 *   b. The driver writes RDT: the device owns descriptor and buffer.
 *   c. A frame arrives. The device compares its address and VLAN with the filters, selects a queue
 *      by RSS, writes the frame into the buffer, and writes back length, status, hash and DD.
 *   d. igb_rx_take() sees DD, checks what the device wrote, unmaps the buffer, fills in the mbuf
 *      and returns it. The application owns the mbuf.
 *   e. The driver posts a new mbuf at the place of the old one.
 *
 * 6. A transmitted packet
 *
 *   a. The application passes mbufs to rte_eth_tx_burst(). The driver owns those that the burst
 *      accepts; the application keeps the others.
 *   b. igb_tx_burst() has igb_tx_packet() check the packet, map its segments, write one descriptor
 *      for each, and before them a context descriptor if the packet requests an offload with
 *      parameters that the queue does not hold yet. In direct mode most packets take the shorter
 *      way of igb_tx_run() (igb_tx.c).
 *   c. The driver writes TDT: the device owns descriptors and buffers. It sends the frame.
 *   d. The device sets DD in the descriptor that has RS.
 *   e. A later burst (igb_tx_clean()) sees DD, unmaps the buffers and returns them to their
 *      mempools.
 *
 * 7. Ownership and lifetime
 *
 *   object            owner, and when
 *   igb_adapter       the control path, from probe to close
 *   queue structure   the control path until the queue starts and after it stops. In between, the
 *                     fields of the data path belong to the one thread that polls the queue.
 *   ring memory       coherent memory: gantry_dma_alloc_coherent() at queue set-up, until release
 *   packet buffer     streaming memory: the device from map to unmap; it accesses the buffer
 *                     between doorbell and DD, as above
 *
 * Stopping a queue ends DMA before memory is freed: the driver clears the ENABLE bit of the queue,
 * and frees the buffers only after ENABLE reads 0, because the device may write to them until
 * then.
 *
 * 8. Life of a port
 *
 *   probe -> configure -> queue set-up -> start -> (stop -> start ...) -> close
 *
 * Start resets the device, so that no state of an earlier driver remains; then it programs
 * filters, queues, interrupts and link. Stop is the reverse, and leaves the device without DMA.
 *
 * 9. Link and interrupts
 *
 * The MAC follows the PHY. A stopped port takes the link down. A link change raises the
 * miscellaneous interrupt; its handler updates the link and notifies the application
 * (RTE_ETH_EVENT_INTR_LSC). Receive queues raise interrupts only if the application requested
 * them and has armed the queue. Transmit queues raise none. See igb_intr.c.
 *
 * 10. Threads and locks
 *
 *   thread                   does
 *   of the application       control path: ethdev requires one call at a time per port
 *   polling threads          bursts: one thread per queue, without locks
 *   EAL interrupt thread     interrupt handler, watchdog, removal events
 *   EAL IPC thread           requests of secondary processes
 *
 *   lock                     protects
 *   igb_adapter.stats_lock   the sums of the statistics registers, which clear when they are read
 *   igb_adapter.intr_lock    the link state that is published, and armed queues without a vector
 *   open_lock                the list of open ports, against a close during a removal event
 *   igb_mp_lock              the list of ports that serve secondary processes
 *
 * 11. A lost device
 *
 * A device may vanish: a daemon is killed, or a card is pulled. Its registers then read as all
 * ones. Every wait in this driver is bounded, and every value that may be all ones is checked.
 * igb_ethdev_lost() marks the device lost, and notifies the application (RTE_ETH_EVENT_INTR_RMV).
 * From then on the driver accesses no register, except the doorbells until the port stops: see
 * igb_pci.c.
 *
 * A device that is silent (the daemon was stopped by a signal) looks like a device that is gone,
 * but it may resume and write to the addresses that it knows. The driver therefore quarantines the
 * rings and buffers of such a device: it never frees them, unless the bus reports that the device
 * has stopped accessing memory (igb_bus_ops.quiesced).
 *
 * 12. Secondary processes
 *
 * A secondary process polls queues: rings, mbufs and queue structures are in shared memory, and
 * the doorbells are mapped at the address that they have in the primary process. It accesses no
 * other register, and asks the primary process for statistics and link. A port is available in
 * secondary processes only in DMA mode direct and without dma_debug, because lib/dma otherwise
 * keeps its records in the memory of the primary process. See igb_mp.c.
 *
 * 13. Front ends
 *
 *   igb_pci.c        a card, or a device of a virtual machine, on the PCI bus of DPDK. A register
 *                    access is a load or a store.
 *   igb_vfio_user.c  a device that another process emulates, on the vfio-user bus
 *                    (-a vfio_user:/path/to/socket). A register access is a message, except for
 *                    the doorbells, which are stores to shared memory.
 *   igb_vdev.c       the same device as a vdev (--vdev net_gantry_igb0,path=/path/to/socket), for
 *                    applications that find ports only on the buses that they know.
 *
 * 14. Not done, on purpose
 *
 * The driver does not use legacy descriptors, header split, head write-back (TDWBAL), interrupt
 * throttling, transmit interrupts, flow rules (rte_flow), flow control settings, time stamps, DCB,
 * virtual functions, IPsec or MACsec. It trusts neither lengths nor indexes that the device
 * reports. It does not recover a stalled queue or a lost device itself: the application decides,
 * after an event.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "igb_rxtx.h"

/*
 * Properties of the port.
 */

static int
igb_dev_infos_get(struct rte_eth_dev *dev, struct rte_eth_dev_info *info)
{
	const struct igb_adapter *ad = igb_adapter_of(dev);

	info->min_rx_bufsize = IGB_MIN_RX_BUF;
	/* Without the VLAN tag, which always has room: ethdev derives the MTU from this. */
	info->max_rx_pktlen = IGB_MAX_MTU + RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
	info->min_mtu = RTE_ETHER_MIN_MTU;
	info->max_mtu = IGB_MAX_MTU;
	info->max_mac_addrs = ad->hw.ctl->nb_rar;
	info->max_rx_queues = ad->nb_queues;
	info->max_tx_queues = ad->nb_queues;
	info->rx_offload_capa = IGB_RX_OFFLOADS;
	info->tx_offload_capa = IGB_TX_OFFLOADS;
	info->tx_queue_offload_capa = IGB_TX_QUEUE_OFFLOADS;
	info->reta_size = IGB_NUM_RETA;
	info->hash_key_size = IGB_RSS_KEY_LEN;
	info->flow_type_rss_offloads = IGB_RSS_OFFLOADS;
	info->rx_desc_lim = (struct rte_eth_desc_lim){
		.nb_max = IGB_MAX_DESC,
		.nb_min = IGB_MIN_DESC,
		.nb_align = IGB_DESC_ALIGN,
	};
	info->tx_desc_lim = (struct rte_eth_desc_lim){
		.nb_max = IGB_MAX_DESC,
		.nb_min = IGB_MIN_DESC,
		.nb_align = IGB_DESC_ALIGN,
		.nb_seg_max = IGB_TX_MAX_SEGS,
		.nb_mtu_seg_max = IGB_TX_MAX_SEGS,
	};
	info->speed_capa = igb_link_speed_capa(&ad->hw);
	/*
	 * The device prefetches if it has fewer than 8 descriptors and the ring offers 8 (8.10.8),
	 * and writes each one back: an 82576 with MSI-X requires WTHRESH 1. 0 in the other
	 * thresholds means that set-up derives them from the size of the ring.
	 */
	info->default_rxconf = (struct rte_eth_rxconf){
		.rx_thresh = { .pthresh = 8, .hthresh = 8, .wthresh = 1 }
	};
	info->default_txconf = (struct rte_eth_txconf){
		.tx_thresh = { .pthresh = 8, .hthresh = 1, .wthresh = 1 }
	};
	info->default_rxportconf = (struct rte_eth_dev_portconf){
		.burst_size = 32,
		.ring_size = 1024,
		.nb_queues = 1,
	};
	info->default_txportconf = info->default_rxportconf;
	info->dev_capa &= ~RTE_ETH_DEV_CAPA_FLOW_RULE_KEEP;
	return 0;
}

static const uint32_t *
igb_supported_ptypes_get(struct rte_eth_dev *dev GANTRY_PTYPES_ARG)
{
	static const uint32_t ptypes[] = {
		RTE_PTYPE_L2_ETHER,
		RTE_PTYPE_L3_IPV4,
		RTE_PTYPE_L3_IPV4_EXT,
		RTE_PTYPE_L3_IPV6,
		RTE_PTYPE_L3_IPV6_EXT,
		RTE_PTYPE_L4_TCP,
		RTE_PTYPE_L4_UDP,
		RTE_PTYPE_L4_SCTP,
		RTE_PTYPE_UNKNOWN,
	};

	return GANTRY_PTYPES_RETURN(ptypes);
}

static int
igb_fw_version_get(struct rte_eth_dev *dev, char *version, size_t size)
{
	const uint16_t v = igb_hw_of(dev)->nvm_version;
	int len;

	/* Version of the NVM image: major in the top four bits, minor in the eight below. */
	len = snprintf(version, size, "%u.%02x", v >> 12, v >> 4 & 0xFF);
	if (len < 0)
		return -EINVAL;
	return (size_t)len + 1 > size ? len + 1 : 0;
}

static int
igb_get_reg(struct rte_eth_dev *dev, struct rte_dev_reg_info *info)
{
	/* Only registers that a read does not change. */
	/* clang-format off */
	static const struct {
		uint32_t reg;
		uint16_t nb, stride;
	} ranges[] = {
		{ IGB_CTRL, 1, 0 }, { IGB_STATUS, 1, 0 }, { IGB_EECD, 1, 0 },
		{ IGB_CTRL_EXT, 1, 0 }, { IGB_MDIC, 1, 0 }, { IGB_VET, 1, 0 },
		{ IGB_RCTL, 1, 0 }, { IGB_TCTL, 1, 0 }, { IGB_IMS, 1, 0 }, { IGB_GPIE, 1, 0 },
		{ IGB_EIMS, 1, 0 }, { IGB_EIAC, 1, 0 }, { IGB_EIAM, 1, 0 },
		{ IGB_IVAR(0), 8, 4 }, { IGB_IVAR_MISC, 1, 0 }, { IGB_RXCSUM, 1, 0 },
		{ IGB_RLPML, 1, 0 }, { IGB_MRQC, 1, 0 }, { IGB_RAL(0), 32, 4 },
		{ IGB_RETA(0), 32, 4 },
		{ IGB_RDBAL(0), 16, IGB_QUEUE_STRIDE }, { IGB_RDBAH(0), 16, IGB_QUEUE_STRIDE },
		{ IGB_RDLEN(0), 16, IGB_QUEUE_STRIDE }, { IGB_SRRCTL(0), 16, IGB_QUEUE_STRIDE },
		{ IGB_RDH(0), 16, IGB_QUEUE_STRIDE }, { IGB_RDT(0), 16, IGB_QUEUE_STRIDE },
		{ IGB_RXDCTL(0), 16, IGB_QUEUE_STRIDE },
		{ IGB_TDBAL(0), 16, IGB_QUEUE_STRIDE }, { IGB_TDBAH(0), 16, IGB_QUEUE_STRIDE },
		{ IGB_TDLEN(0), 16, IGB_QUEUE_STRIDE }, { IGB_TDH(0), 16, IGB_QUEUE_STRIDE },
		{ IGB_TDT(0), 16, IGB_QUEUE_STRIDE }, { IGB_TXDCTL(0), 16, IGB_QUEUE_STRIDE },
	};
	/* clang-format on */
	struct igb_hw *hw = igb_hw_of(dev);
	uint32_t *out = info->data, nb = 0, total = 0;
	unsigned int i, k;

	for (i = 0; i < RTE_DIM(ranges); i++)
		total += ranges[i].nb;
	/* Fill in all or nothing. As in other drivers, length 0 means that the room suffices. */
	if (out != NULL && info->length != 0 && info->length < total)
		return -ENOTSUP;
	for (i = 0; i < RTE_DIM(ranges); i++) {
		for (k = 0; k < ranges[i].nb; k++, nb++)
			if (out != NULL)
				out[nb] = igb_rd(hw, ranges[i].reg + k * ranges[i].stride);
		if (out != NULL && !igb_hw_alive(hw))
			return -ENODEV;
	}
	info->length = nb;
	info->width = sizeof(uint32_t);
	info->version = hw->ctl->device_id;
	return 0;
}

static int
igb_get_eeprom_length(struct rte_eth_dev *dev)
{
	return 2 * (IGB_NVM_CHECKSUM + 1);
}

static int
igb_get_eeprom(struct rte_eth_dev *dev, struct rte_dev_eeprom_info *info)
{
	uint16_t word, *out = info->data;
	uint32_t i;
	int ret;

	if (info->offset % 2 != 0 || info->length % 2 != 0 ||
			info->offset > (uint32_t)igb_get_eeprom_length(dev) ||
			info->length > igb_get_eeprom_length(dev) - info->offset)
		return -EINVAL;
	for (i = 0; i < info->length / 2; i++) {
		ret = igb_nvm_read(igb_hw_of(dev), info->offset / 2 + i, &word);
		if (ret != 0)
			return ret;
		out[i] = word;
	}
	info->magic = IGB_VENDOR_ID_INTEL | (uint32_t)igb_hw_of(dev)->ctl->device_id << 16;
	return 0;
}

/*
 * Life of the port.
 */

static int
igb_dev_configure(struct rte_eth_dev *dev)
{
	const struct rte_eth_conf *conf = &dev->data->dev_conf;
	const uint32_t speeds = conf->link_speeds & ~RTE_ETH_LINK_SPEED_FIXED;
	struct igb_adapter *ad = igb_adapter_of(dev);
	struct igb_hw *hw = &ad->hw;

	if (conf->rxmode.mq_mode != RTE_ETH_MQ_RX_NONE &&
			conf->rxmode.mq_mode != RTE_ETH_MQ_RX_RSS) {
		IGB_INIT_LOG(ERR, hw, "rx mq_mode 0x%x: only none and RSS are supported",
				conf->rxmode.mq_mode);
		return -EINVAL;
	}
	if (conf->txmode.mq_mode != RTE_ETH_MQ_TX_NONE) {
		IGB_INIT_LOG(ERR, hw, "tx mq_mode 0x%x is not supported", conf->txmode.mq_mode);
		return -EINVAL;
	}
	if (conf->link_speeds & RTE_ETH_LINK_SPEED_FIXED && __builtin_popcount(speeds) != 1) {
		IGB_INIT_LOG(ERR, hw,
				"link_speeds 0x%x: RTE_ETH_LINK_SPEED_FIXED needs "
				"exactly one speed",
				conf->link_speeds);
		return -EINVAL;
	}
	if (speeds & ~igb_link_speed_capa(hw)) {
		IGB_INIT_LOG(ERR, hw, "link_speeds 0x%x: the device supports 0x%x",
				conf->link_speeds, igb_link_speed_capa(hw));
		return -EINVAL;
	}
	if (conf->lpbk_mode > 1 || conf->dcb_capability_en != 0) {
		IGB_INIT_LOG(ERR, hw,
				"lpbk_mode %u, dcb_capability_en 0x%x: only "
				"loopback in the MAC (1) is supported, and no DCB",
				conf->lpbk_mode, conf->dcb_capability_en);
		return -ENOTSUP;
	}
	if (conf->intr_conf.rxq &&
			(!ad->intr_registered || !ad->intr_per_queue || ad->nb_vectors < 2)) {
		IGB_INIT_LOG(ERR, hw, "rx interrupts: %s",
				ad->intr_per_queue ? "the device has too few vectors" :
						     "this bus or kernel driver has no MSI-X");
		return -ENOTSUP;
	}
	if (dev->data->dev_conf.rxmode.mq_mode & RTE_ETH_MQ_RX_RSS_FLAG)
		dev->data->dev_conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_RSS_HASH;
	return igb_filter_configure(dev);
}

static int
igb_mtu_set(struct rte_eth_dev *dev, uint16_t mtu)
{
	int ret;

	if (!dev->data->dev_started)
		return 0; /* start checks the MTU with the queues of that time */
	ret = igb_rx_fit(dev, mtu);
	if (ret != 0)
		return ret;
	igb_rx_set_mtu(dev, mtu);
	return igb_hw_alive(igb_hw_of(dev)) ? 0 : -ENODEV;
}

static int
igb_dev_stop(struct rte_eth_dev *dev)
{
	struct rte_eth_link down = { .link_autoneg = igb_link_autoneg(dev) };
	struct igb_adapter *ad = igb_adapter_of(dev);
	struct igb_hw *hw = igb_hw_of(dev);

	dev->data->dev_started = 0;
	/* A thread that has read the link before this has stored it; "down" comes after it. */
	rte_spinlock_lock(&ad->intr_lock);
	ad->link_on = false;
	rte_spinlock_unlock(&ad->intr_lock);
	igb_watchdog_stop(dev);
	igb_intr_stop(dev);
	igb_queues_stop(dev);
	igb_watchdog_end_refusals(dev);
	/* The next reset would clear the statistics. */
	if (igb_hw_alive(hw)) {
		igb_stats_update(dev);
		igb_link_off(hw); /* the link partner sees that this port no longer receives */
	}
	rte_eth_linkstatus_set(dev, &down);
	return 0;
}

/* ethdev starts a port whose queues the application has not set up. */
static int
igb_check_queues(const struct rte_eth_dev *dev)
{
	uint16_t i;

	for (i = 0; i < dev->data->nb_rx_queues; i++) {
		if (dev->data->rx_queues[i] == NULL) {
			IGB_INIT_LOG(ERR, igb_hw_of(dev),
					"rx queue %u: not set up, the port is not started: "
					"call rte_eth_rx_queue_setup() for each queue",
					i);
			return -EINVAL;
		}
	}
	for (i = 0; i < dev->data->nb_tx_queues; i++) {
		if (dev->data->tx_queues[i] == NULL) {
			IGB_INIT_LOG(ERR, igb_hw_of(dev),
					"tx queue %u: not set up, the port is not started: "
					"call rte_eth_tx_queue_setup() for each queue",
					i);
			return -EINVAL;
		}
	}
	return 0;
}

static int
igb_dev_start(struct rte_eth_dev *dev)
{
	struct igb_hw *hw = igb_hw_of(dev);
	int ret;

	if (!igb_hw_alive(hw)) {
		IGB_INIT_LOG(ERR, hw,
				"the device was removed, the port is not started: close the port");
		return -ENODEV;
	}
	ret = igb_check_queues(dev);
	if (ret == 0)
		ret = igb_rx_fit(dev, dev->data->mtu);
	if (ret != 0)
		return ret;
	igb_stats_update(dev);
	ret = igb_hw_reset(hw);
	if (ret != 0)
		return ret;
	if (hw->bus->give_memory != NULL)
		hw->bus->give_memory(hw->bus_dev);
	igb_filter_start(dev);
	igb_watchdog_begin_refusals(dev);
	ret = igb_queues_start(dev);
	igb_adapter_of(dev)->link_on = true;
	if (ret == 0)
		ret = igb_intr_start(dev);
	if (ret == 0)
		ret = igb_link_setup(hw, dev->data->dev_conf.link_speeds);
	if (ret == 0 && !igb_hw_alive(hw))
		ret = -ENODEV;
	if (ret != 0) {
		igb_dev_stop(dev);
		return ret;
	}
	igb_link_update(dev, 0);
	igb_watchdog_start(dev);
	return 0;
}

void
igb_ethdev_note_bars(const struct igb_hw *hw, bool mapped)
{
	struct igb_bar bar;
	unsigned int i, k;

	for (i = 0; i < 6; i++) {
		if (hw->bus->bar(hw->bus_dev, i, &bar) != 0)
			continue;
		for (k = 0; k < bar.nr_maps; k++) {
			if (mapped)
				gantry_mem_mmio_add(bar.maps[k].addr, bar.maps[k].size);
			else
				gantry_mem_mmio_del(bar.maps[k].addr);
		}
	}
}

int
igb_ethdev_close(struct rte_eth_dev *dev)
{
	struct igb_adapter *ad = igb_adapter_of(dev);

	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return 0;
	igb_event_enable(dev, false);
	igb_mp_close(dev);
	if (dev->data->dev_started)
		igb_dev_stop(dev);
	igb_intr_teardown(dev);
	igb_queues_release(dev);
	if (ad->doorbells[0] != NULL && ad->doorbells[1] != NULL) /* else never accessed */
		igb_hw_release(&ad->hw);
	igb_ethdev_note_bars(&ad->hw, false);
	/*
	 * Destroying frees all memory that is left. It must not free rings that the device may
	 * still write to.
	 */
	if (ad->quarantine)
		gantry_dma_dev_abandon(ad->dma);
	else
		gantry_dma_dev_destroy(ad->dma);
	ad->dma = NULL;
	return 0;
}

/* The application has stopped the port, and configures it again after this. */
static int
igb_dev_reset(struct rte_eth_dev *dev)
{
	struct igb_adapter *ad = igb_adapter_of(dev);
	int ret;

	igb_queues_release(dev);
	igb_stats_update(dev); /* the reset would clear the statistics */
	memset(ad->mta, 0, sizeof(ad->mta));
	memset(ad->vfta, 0, sizeof(ad->vfta));
	ret = igb_hw_reset(&ad->hw);
	if (ret == 0)
		ret = igb_link_off(&ad->hw);
	return ret;
}

/* Only the primary process can query the device. */
static int
igb_is_removed(struct rte_eth_dev *dev)
{
	struct igb_hw *hw = igb_hw_of(dev);

	return rte_eal_process_type() == RTE_PROC_PRIMARY ? !igb_hw_alive(hw) : hw->lost;
}

/* A secondary process has the rings and the doorbells, and no other register: see igb_mp.c. */
/* clang-format off */
#define IGB_OPS_OF_ANY_PROCESS \
	.dev_close = igb_ethdev_close, \
	.link_update = igb_link_update, \
	.is_removed = igb_is_removed, \
	.stats_get = igb_stats_get, \
	.stats_reset = igb_stats_reset, \
	.xstats_get = igb_xstats_get, \
	.xstats_reset = igb_stats_reset, \
	.xstats_get_names = igb_xstats_get_names, \
	.xstats_get_by_id = igb_xstats_get_by_id, \
	.xstats_get_names_by_id = igb_xstats_get_names_by_id, \
	.dev_infos_get = igb_dev_infos_get, \
	.rxq_info_get = igb_rxq_info_get, \
	.txq_info_get = igb_txq_info_get, \
	GANTRY_MBUF_RECYCLING_OPS(igb_recycle_rxq_info_get) \
	.rx_burst_mode_get = igb_rx_burst_mode_get, \
	.tx_burst_mode_get = igb_tx_burst_mode_get, \
	.fw_version_get = igb_fw_version_get, \
	.dev_supported_ptypes_get = igb_supported_ptypes_get, \
	.tx_done_cleanup = igb_tx_done_cleanup, \
	.rss_hash_conf_get = igb_rss_hash_conf_get, \
	.reta_query = igb_reta_query
/* clang-format on */

static const struct eth_dev_ops igb_secondary_ops = { IGB_OPS_OF_ANY_PROCESS };

static const struct eth_dev_ops igb_primary_ops = {
	IGB_OPS_OF_ANY_PROCESS,
	.dev_configure = igb_dev_configure,
	.dev_start = igb_dev_start,
	.dev_stop = igb_dev_stop,
	.dev_set_link_up = igb_dev_set_link_up,
	.dev_set_link_down = igb_dev_set_link_down,
	.dev_reset = igb_dev_reset,
	.promiscuous_enable = igb_promiscuous_enable,
	.promiscuous_disable = igb_promiscuous_disable,
	.allmulticast_enable = igb_allmulticast_enable,
	.allmulticast_disable = igb_allmulticast_disable,
	.mac_addr_add = igb_mac_addr_add,
	.mac_addr_remove = igb_mac_addr_remove,
	.mac_addr_set = igb_mac_addr_set,
	.set_mc_addr_list = igb_set_mc_addr_list,
	.mtu_set = igb_mtu_set,
	.vlan_filter_set = igb_vlan_filter_set,
	.vlan_offload_set = igb_vlan_offload_set,
	.rx_queue_start = igb_rx_queue_start,
	.rx_queue_stop = igb_rx_queue_stop,
	.tx_queue_start = igb_tx_queue_start,
	.tx_queue_stop = igb_tx_queue_stop,
	.rx_queue_setup = igb_rx_queue_setup,
	.rx_queue_release = igb_rx_queue_release,
	.tx_queue_setup = igb_tx_queue_setup,
	.tx_queue_release = igb_tx_queue_release,
	.rx_queue_intr_enable = igb_rx_queue_intr_enable,
	.rx_queue_intr_disable = igb_rx_queue_intr_disable,
	.rss_hash_update = igb_rss_hash_update,
	.reta_update = igb_reta_update,
	.get_reg = igb_get_reg,
	.get_eeprom_length = igb_get_eeprom_length,
	.get_eeprom = igb_get_eeprom,
};

void
igb_ethdev_set_ops(struct rte_eth_dev *dev)
{
	dev->dev_ops = rte_eal_process_type() == RTE_PROC_PRIMARY ? &igb_primary_ops :
								    &igb_secondary_ops;
}

bool
igb_ethdev_is_ours(const struct rte_eth_dev *dev)
{
	return dev->dev_ops == &igb_primary_ops || dev->dev_ops == &igb_secondary_ops;
}
