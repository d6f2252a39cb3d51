/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Starts the ports that EAL found. All ports share one mempool, which is large enough for all rings
 * to be full at the same time.
 */

#include <string.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_lcore.h>

#include "rte_pmd_gantry_igb.h"
#include "testpmd.h"

#define POOL_CACHE   256
#define LINK_WAIT_MS 9000 /* auto-negotiation of a copper link takes seconds */
#define DRAIN_MS     1000
#define DRAIN_MAX_MS 10000

struct port ports[RTE_MAX_ETHPORTS];
unsigned int nb_ports;
struct rte_mempool *mbuf_pool;
volatile sig_atomic_t stop_requested;
static volatile bool lost;

/* A removed device no longer answers, so the command ends. */
static int
on_removal(uint16_t id, enum rte_eth_event_type type, void *arg, void *ret_param)
{
	report_error("port %u: the device is gone", id);
	lost = true;
	stop_requested = 1;
	return 0;
}

bool
ports_lost(void)
{
	return lost;
}

/* Return the bytes of a frame besides its payload, as the driver of the port counts them. */
static uint32_t
frame_overhead(const struct rte_eth_dev_info *info)
{
	if (info->max_mtu != UINT16_MAX && info->max_rx_pktlen > info->max_mtu)
		return info->max_rx_pktlen - info->max_mtu;
	return RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
}

/* Return the largest frame that the command generates, which must fit one mbuf. */
static uint32_t
largest_own_frame(const struct options *o)
{
	uint32_t largest = 0;

	if ((o->command == CMD_FORWARD && o->mode == MODE_TXONLY) || o->command == CMD_PROMPT)
		largest = o->size;
	if (o->command == CMD_LINERATE) {
		for (unsigned int i = 0; i < o->nb_sizes; i++)
			largest = RTE_MAX(largest, o->sizes[i]);
	}
	return largest;
}

static int
make_pool(const struct options *o)
{
	uint32_t room = o->mbuf_size, frame = largest_own_frame(o);
	uint32_t n = 0;

	if (room == 0)
		room = RTE_MAX((uint32_t)RTE_MBUF_DEFAULT_DATAROOM, RTE_ALIGN(frame, 64));
	if (room < frame) {
		report_error("--mbuf-size %u: a frame of %u bytes does not fit", room, frame);
		return 2;
	}
	for (unsigned int i = 0; i < nb_ports; i++)
		n += o->rxq * ports[i].rxd + o->txq * ports[i].txd;
	n += rte_lcore_count() * (POOL_CACHE * 3 / 2 + 2 * MAX_BURST) + 1024;
	mbuf_pool = rte_pktmbuf_pool_create("gantry_testpmd", n, POOL_CACHE, 0,
			room + RTE_PKTMBUF_HEADROOM, rte_eth_dev_socket_id(ports[0].id));
	if (mbuf_pool == NULL && (rte_errno == ENOMEM || rte_errno == ENOBUFS))
		report_error("not enough memory for %u packet buffers (%zu MB): reserve more "
			     "hugepages, raise -m, or use smaller rings (--rxd, --txd)",
				n,
				((size_t)n *
						(room + RTE_PKTMBUF_HEADROOM +
								sizeof(struct rte_mbuf))) >>
						20);
	else if (mbuf_pool == NULL)
		report_error("packet buffers: %s", rte_strerror(rte_errno));
	return mbuf_pool == NULL;
}

/* Report options that exceed the port in one line, before the driver reports them its own way. */
static int
check_port(const struct options *o, struct port *p)
{
	const struct rte_eth_dev_info *info = &p->info;

	if (o->rxq > info->max_rx_queues || o->txq > info->max_tx_queues) {
		report_error("port %u (%s) has %u receive and %u transmit queues", p->id, p->name,
				info->max_rx_queues, info->max_tx_queues);
		return 2;
	}
	if (o->mtu != 0 && (o->mtu < info->min_mtu || o->mtu > info->max_mtu)) {
		report_error("--mtu %u: port %u (%s) can do %u to %u", o->mtu, p->id, p->name,
				info->min_mtu, info->max_mtu);
		return 2;
	}
	return 0;
}

static int
configure(const struct options *o, struct port *p)
{
	const struct rte_eth_dev_info *info = &p->info;
	struct rte_eth_conf conf = { 0 };
	int ret;

	p->rxd = o->rxd;
	p->txd = o->txd;
	if (o->mtu != 0) {
		uint32_t room = o->mbuf_size != 0 ? o->mbuf_size : RTE_MBUF_DEFAULT_DATAROOM;

		conf.rxmode.mtu = o->mtu;
		if (o->mtu + frame_overhead(info) > room) {
			conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCATTER & info->rx_offload_capa;
			conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_MULTI_SEGS &
					info->tx_offload_capa;
		}
	}
	if (o->rxq > 1) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = info->flow_type_rss_offloads &
				(RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP);
	}
	ret = rte_eth_dev_configure(p->id, o->rxq, o->txq, &conf);
	if (ret == 0)
		ret = rte_eth_dev_adjust_nb_rx_tx_desc(p->id, &p->rxd, &p->txd);
	if (ret != 0) {
		report_error("port %u (%s) cannot be configured: %s", p->id, p->name,
				rte_strerror(-ret));
		return 1;
	}
	if (o->mtu != 0)
		p->mtu = o->mtu;
	if (p->rxd != o->rxd || p->txd != o->txd)
		report_error("port %u (%s) takes %u receive and %u transmit descriptors", p->id,
				p->name, p->rxd, p->txd);
	return 0;
}

int
port_start(struct port *p)
{
	int ret = rte_eth_dev_start(p->id);

	if (ret != 0) {
		report_error("port %u (%s) does not start: %s", p->id, p->name, rte_strerror(-ret));
		return 1;
	}
	p->started = true;
	return 0;
}

int
port_stop(struct port *p)
{
	int ret = p->started ? rte_eth_dev_stop(p->id) : 0;

	if (ret != 0) {
		report_error("port %u (%s) does not stop: %s", p->id, p->name, rte_strerror(-ret));
		return 1;
	}
	p->started = false;
	return 0;
}

static int
set_up_queues(const struct options *o, struct port *p)
{
	struct rte_eth_rxconf rxconf = p->info.default_rxconf;
	struct rte_eth_txconf txconf = p->info.default_txconf;
	int socket = rte_eth_dev_socket_id(p->id);
	int ret;

	/*
	 * Enable this before the port starts; else frames for other addresses that arrive first
	 * are dropped. Not every port supports it: those that do not either receive everything
	 * anyway, or report an error.
	 */
	ret = rte_eth_promiscuous_enable(p->id);
	if (ret != 0 && ret != -ENOTSUP)
		report_error("port %u (%s) cannot be promiscuous: %s", p->id, p->name,
				rte_strerror(-ret));
	ret = 0;
	for (uint16_t q = 0; q < o->rxq && ret == 0; q++)
		ret = rte_eth_rx_queue_setup(p->id, q, p->rxd, socket, &rxconf, mbuf_pool);
	for (uint16_t q = 0; q < o->txq && ret == 0; q++)
		ret = rte_eth_tx_queue_setup(p->id, q, p->txd, socket, &txconf);
	if (ret != 0)
		report_error("port %u (%s) does not start: %s", p->id, p->name, rte_strerror(-ret));
	return ret != 0;
}

int
ports_set_up(const struct options *o)
{
	uint16_t id;
	int ret;

	RTE_ETH_FOREACH_DEV(id) {
		struct port *p = &ports[nb_ports++];

		p->id = id;
		if (rte_eth_dev_get_name_by_port(id, p->name) != 0 ||
				rte_eth_dev_info_get(id, &p->info) != 0 ||
				rte_eth_dev_get_mtu(id, &p->mtu) != 0 ||
				rte_eth_macaddr_get(id, &p->mac) != 0) {
			report_error("port %u does not answer", id);
			return 1;
		}
		ret = check_port(o, p);
		if (ret != 0)
			return ret;
	}
	if (nb_ports == 0) {
		report_error("no port: name devices with EAL's -a or --vdev "
			     "(-a vfio_user:/path/to/socket)");
		return 1;
	}
	rte_eth_dev_callback_register(RTE_ETH_ALL, RTE_ETH_EVENT_INTR_RMV, on_removal, NULL);
	for (unsigned int i = 0; i < nb_ports; i++)
		ports[i].peer = (i ^ 1) < nb_ports ? i ^ 1 : i;

	for (unsigned int i = 0; i < nb_ports; i++)
		if (configure(o, &ports[i]) != 0)
			return 1;
	ret = make_pool(o);
	for (unsigned int i = 0; i < nb_ports && ret == 0; i++) {
		ret = set_up_queues(o, &ports[i]);
		if (ret == 0)
			ret = port_start(&ports[i]);
	}
	return ret;
}

void
port_check_node(const struct port *p, bool is_rx, uint16_t queue, unsigned int lcore)
{
	rte_pmd_gantry_igb_numa_check(p->id, is_rx, queue, lcore);
}

bool
ports_wait_link(void)
{
	unsigned int down = 0;

	for (int ms = 0; ms <= LINK_WAIT_MS && !stop_requested; ms += 10) {
		for (down = 0; down < nb_ports; down++) {
			struct port *p = &ports[down];

			if (p->started &&
					(rte_eth_link_get_nowait(p->id, &p->link) != 0 ||
							p->link.link_status != RTE_ETH_LINK_UP))
				break;
		}
		if (down == nb_ports)
			return true;
		rte_delay_us_sleep(10000);
	}
	if (!stop_requested)
		report_error("port %u (%s): the link is down", ports[down].id, ports[down].name);
	return false;
}

/* Test the last descriptor that was filled, because a device works in the order of the ring. */
static bool
ring_is_done(const struct port *p, uint16_t queue)
{
	/* also true if the driver cannot report it */
	return rte_eth_tx_descriptor_status(p->id, queue, p->txd - 1) != RTE_ETH_TX_DESC_FULL;
}

/* The longest time that a full ring can take, plus time for a device that is not ready at once. */
static uint64_t
drain_ms(const struct options *o, const struct port *p)
{
	uint64_t bits = (uint64_t)o->txq * p->txd * 8 *
			(RTE_MAX(p->mtu + frame_overhead(&p->info), o->size) + WIRE_OVERHEAD);
	struct rte_eth_link link;

	if (rte_eth_link_get_nowait(p->id, &link) != 0 || link.link_status != RTE_ETH_LINK_UP ||
			link.link_speed == RTE_ETH_SPEED_NUM_NONE ||
			link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN)
		return DRAIN_MS;
	return RTE_MIN(DRAIN_MS + bits / (link.link_speed * UINT64_C(1000)),
			(uint64_t)DRAIN_MAX_MS);
}

void
ports_drain(const struct options *o)
{
	const uint64_t begin = rte_rdtsc(), ms = rte_get_tsc_hz() / 1000;

	for (unsigned int i = 0; i < nb_ports && !lost; i++) {
		const struct port *p = &ports[i];
		const uint64_t limit = drain_ms(o, p) * ms;
		uint64_t end = begin + limit;

		for (uint16_t q = 0; q < o->txq && !lost; q++) {
			while (!ring_is_done(p, q) && rte_rdtsc() < end && !lost) {
				/* Keep waiting while the ring progresses, even slowly. */
				if (rte_eth_tx_done_cleanup(p->id, q, 0) > 0)
					end = rte_rdtsc() + limit;
				rte_delay_us_sleep(100);
			}
			if (!ring_is_done(p, q) && !lost)
				report_error("port %u (%s): transmit queue %u has unsent frames, "
					     "which count as sent",
						p->id, p->name, q);
		}
	}
}

int
ports_stop(void)
{
	int status = 0;

	rte_eth_dev_callback_unregister(RTE_ETH_ALL, RTE_ETH_EVENT_INTR_RMV, on_removal, NULL);
	for (unsigned int i = 0; i < nb_ports; i++)
		if (port_stop(&ports[i]) != 0)
			status = 1;
	for (unsigned int i = 0; i < nb_ports; i++)
		rte_eth_dev_close(ports[i].id);
	rte_mempool_free(mbuf_pool);
	nb_ports = 0;
	return status;
}
