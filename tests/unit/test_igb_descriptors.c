/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the values in registers and descriptors of the driver's queues (drivers/net/igb/igb_rx.c,
 * igb_tx.c, igb_queue.c): what the driver writes for the device, and how it interprets what the
 * device (igb_fake.h) writes back.
 */

#include "igb_fake.h"

#include <rte_ip.h>
#include <rte_tcp.h>

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
		assert_int_equal(*reg(IGB_RCTL),
				IGB_RCTL_RXEN | IGB_RCTL_BAM | IGB_RCTL_SECRC | IGB_RCTL_LPE |
						(i & 1 ? IGB_RCTL_LBM_MAC : 0));
		assert_int_equal(*reg(IGB_TCTL),
				IGB_TCTL_EN | IGB_TCTL_PSP | IGB_TCTL_RTLC |
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
							 pool),
					0);
			assert_int_equal(rte_eth_tx_queue_setup(PORT, q, 128, SOCKET_ID_ANY, &tx),
					0);
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
		assert_int_equal(*reg(IGB_SRRCTL(0)),
				IGB_SRRCTL_DESCTYPE_ADV_ONE | 2 |
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

/* A queue that is set up again is replaced; the other one stays as it is. */
static void
second_setup_replaces_one_queue(void **state)
{
	const struct rte_eth_dev_data *data = rte_eth_devices[PORT].data;
	struct rte_eth_dev_info info;
	const void *rx, *tx;

	assert_int_equal(rte_eth_dev_info_get(PORT, &info), 0);
	configure(2, 2, NULL);
	rx = data->rx_queues[1];
	tx = data->tx_queues[1];
	assert_int_equal(rte_eth_rx_queue_setup(PORT, 0, 128, SOCKET_ID_ANY, NULL, pool), 0);
	assert_int_equal(rte_eth_tx_queue_setup(PORT, 0, 128, SOCKET_ID_ANY, NULL), 0);
	assert_int_equal(rxq()->nb_desc, 128);
	assert_int_equal(txq()->nb_desc, 128);
	assert_ptr_equal(data->rx_queues[1], rx);
	assert_ptr_equal(data->tx_queues[1], tx);
	/* The driver's functions also replace a queue that ethdev has not released. */
	assert_int_equal(igb_rx_queue_setup(&rte_eth_devices[PORT], 0, 64, SOCKET_ID_ANY,
					 &info.default_rxconf, pool),
			0);
	assert_int_equal(igb_tx_queue_setup(&rte_eth_devices[PORT], 0, 64, SOCKET_ID_ANY,
					 &info.default_txconf),
			0);
	assert_true(rxq()->nb_desc == 64 && txq()->nb_desc == 64);
	/* A released queue is no longer in the list of the port. */
	igb_rx_queue_release(&rte_eth_devices[PORT], 0);
	igb_tx_queue_release(&rte_eth_devices[PORT], 0);
	assert_null(data->rx_queues[0]);
	assert_null(data->tx_queues[0]);
	assert_ptr_equal(data->rx_queues[1], rx);
	assert_ptr_equal(data->tx_queues[1], tx);
}

/* A reset restarts the counters of each queue at 0, while the data path goes on counting. */
static void
counters_of_the_queues_are_reset(void **state)
{
	const struct igb_adapter *ad = igb_adapter_of(&rte_eth_devices[PORT]);
	struct rte_eth_stats s;
	struct rte_mbuf *m;
	unsigned int q;

	begin(2, 2, NULL);
	for (q = 0; q < 2; q++) {
		m = rte_pktmbuf_alloc(pool);
		rte_pktmbuf_append(m, 60 + q);
		assert_int_equal(rte_eth_tx_burst(PORT, q, &m, 1), 1);
	}
	assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
	assert_true(s.opackets == 2 && s.obytes == 121);
	assert_int_equal(rte_eth_stats_reset(PORT), 0);
	assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
	assert_true(s.opackets == 0 && s.obytes == 0);
	for (q = 0; q < 2; q++) {
		assert_int_equal(ad->tx_stats[q].base.packets, 1);
		assert_int_equal(ad->tx_stats[q].base.bytes, 60 + q);
	}
	assert_int_equal(ad->tx_stats[2].base.packets, 0);
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
				IGB_TXD_POPTS_TXSM, IGB_TXD_TUCMD_L4T_SCTP,
				0x3456u << 16 | 14 << 9 | 20, 0 },
		{ RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_SEG, IGB_TXD_TSE,
				IGB_TXD_POPTS_IXSM | IGB_TXD_POPTS_TXSM,
				IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_TCP, 14 << 9 | 20,
				200u << 16 | 24 << 8 },
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
		assert_int_equal(ring[2].data.olinfo,
				t[i].popts |
						(t[i].flags & RTE_MBUF_F_TX_TCP_SEG ? 500u - 58 :
										      500u)
								<< 14);
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
		{ 1, 2, 0 },
		{ 1, 1, 0 },
		{ 2, 2, 1 },
		{ 1, 1, 0 },
		{ 2, 1, 1 },
		{ 3, 2, 0 },
		{ 2, 1, 1 },
		{ 1, 2, 1 },
		{ 3, 1, 0 },
		{ 2, 2, 0 },
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
	tx_all_done();
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
		{ 17, 0, 0, 0, 0, 0, true },
		{ 16, 0, 0, 0, 0, 0, false },
		{ 9724, 0, 0, 0, 0, 0, true },
		{ 9725, 0, 0, 0, 0, 0, false },
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
		tx_all_done();
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
		{ 0, 0, 0 },
		{ 1, RTE_PTYPE_L3_IPV4, 0 },
		{ 3, RTE_PTYPE_L3_IPV4_EXT, 0 },
		{ 4, RTE_PTYPE_L3_IPV6, 0 },
		{ 12, RTE_PTYPE_L3_IPV6_EXT, 0 },
		{ 0x11, RTE_PTYPE_L3_IPV4, RTE_PTYPE_L4_TCP },
		{ 0x21, RTE_PTYPE_L3_IPV4, RTE_PTYPE_L4_UDP },
		{ 0x44, RTE_PTYPE_L3_IPV6, RTE_PTYPE_L4_SCTP },
		{ 0x10, 0, 0 },
		{ 0xFF, RTE_PTYPE_L3_IPV4_EXT, RTE_PTYPE_L4_TCP },
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

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		PORT_TEST(receiver_is_set_up_as_configured),
		PORT_TEST(rings_are_described_to_the_device),
		PORT_TEST(second_setup_replaces_one_queue),
		PORT_TEST(counters_of_the_queues_are_reset),
		PORT_TEST(queue_thresholds_have_their_limits),
		PORT_TEST(tx_requests_are_in_the_descriptors),
		PORT_TEST(tx_contexts_are_used_again),
		PORT_TEST(tx_groups_end_with_a_report),
		PORT_TEST(tx_limits_are_exact),
		PORT_TEST(tx_prepare_refuses_inconsistent_chains),
		PORT_TEST(tx_prepare_puts_the_pseudo_headers_sum),
		PORT_TEST(rx_fields_are_the_descriptors),
		PORT_TEST(rx_ring_is_filled_up_in_batches),
	};

	fake_start_eal(argc, argv);
	return cmocka_run_group_tests_name("igb_descriptors", tests, NULL, NULL);
}
