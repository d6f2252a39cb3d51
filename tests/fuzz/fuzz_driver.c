/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The driver of drivers/net/igb, on a hostile device.
 *
 * This file is the device: a page of registers behind a bus of its own, as in
 * tests/unit/igb_fake.h. The driver's clock is virtual, its waits take no time, and its
 * watchdog runs in a step of the program (STEP_LOOK).
 *
 * The input is one byte of options (DMA mode, offloads, size of the rings, vector paths), then
 * steps: a byte that selects one of enum step, and its operands. The device gives wrong values in
 * three ways: STEP_LIE replaces the value of one register, STEP_NOISE replaces the value of any
 * register now and then, by a seed, and STEP_CHANGE changes a descriptor right before the driver's
 * n-th load from a ring (the compiler reports each load, -fsanitize-coverage=trace-loads). The
 * application, in contrast, is correct: it sends only what rte_eth_tx_prepare() accepts, and uses a
 * port only while the port exists.
 *
 *    application (this file)   rte_eth_rx_burst(), rte_eth_tx_burst(), rte_eth_dev_*()
 *            |
 *    driver, compiled with trace-loads ---- before_load(): may change a descriptor first
 *            |             |
 *        bus_ops        rings, buffers
 *            |             |
 *    dev.regs[], .lies[] (this file)   write_back(): the device's part of a ring
 *
 * The driver's own allocations come from the heap of AddressSanitizer instead of EAL memory.
 * Beyond the sanitizers, the target watches that
 * - received mbufs are well-formed, and no longer than a frame can be,
 * - every wait ends: the driver's clock advances by no more than WAIT_MAX_S in one step,
 * - after the port is removed, each mbuf is back in its pool.
 *
 * One thread runs everything, so that a run repeats exactly.
 */

#include <errno.h>
#include <sanitizer/allocator_interface.h>
#include <unistd.h>

#include <rte_alarm.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_vect.h>

#include "fuzz.h"
#include "fuzz_loads.h"
#include "igb_rxtx.h"
#include "rte_pmd_gantry_igb.h"

#define MBUFS      511
#define STEPS      300u
#define QUEUES     2u
#define LIES       8u
#define WAIT_MAX_S 120u

static struct {
	uint32_t regs[IGB_BAR0_SIZE / 4];
	uint16_t nvm[IGB_NVM_CHECKSUM + 1];
	uint8_t config[256];
	bool dead, quiesced;
	struct {
		uint32_t reg, value;
		uint8_t how; /* 0: the entry is unused */
	} lies[LIES];
	uint32_t noise_rate;
	uint64_t noise;
} dev;

static struct rte_device device;
static struct rte_devargs devargs;
static struct rte_mempool *pool;
static uint64_t cycles;
static bool there; /* the port exists */
static uint16_t port;
static uint64_t rx_offloads, tx_offloads;
static uint16_t nb_desc;

/* The driver's time and memory. */

uint64_t fuzz_timer_cycles(void);
uint64_t
fuzz_timer_cycles(void)
{
	return cycles += 100;
}

void fuzz_delay_us(unsigned int us);
void
fuzz_delay_us(unsigned int us)
{
	cycles += us * (rte_get_timer_hz() / 1000000);
}

int fuzz_alarm_set(uint64_t us, rte_eal_alarm_callback cb, void *arg);
int
fuzz_alarm_set(uint64_t us, rte_eal_alarm_callback cb, void *arg)
{
	return 0;
}

int fuzz_alarm_cancel(rte_eal_alarm_callback cb, void *arg);
int
fuzz_alarm_cancel(rte_eal_alarm_callback cb, void *arg)
{
	return 0;
}

void *fuzz_zmalloc_socket(const char *type, size_t size, unsigned int align, int socket);
void *
fuzz_zmalloc_socket(const char *type, size_t size, unsigned int align, int socket)
{
#ifdef FUZZ_ASAN
	void *p;

	/* ethdev frees the adapter, with its own rte_free(). */
	if (strcmp(type, "igb_adapter") != 0 && posix_memalign(&p, align, size) == 0)
		return memset(p, 0, size);
#endif
	return rte_zmalloc_socket(type, size, align, socket);
}

void fuzz_free(void *p);
void
fuzz_free(void *p)
{
#ifdef FUZZ_ASAN
	if (__sanitizer_get_ownership(p)) {
		free(p);
		return;
	}
#endif
	rte_free(p);
}

/*
 * The device.
 */

static uint32_t *
reg(uint32_t at)
{
	return &dev.regs[at / 4];
}

static uint32_t
noise(void)
{
	dev.noise ^= dev.noise << 13;
	dev.noise ^= dev.noise >> 7;
	dev.noise ^= dev.noise << 17;
	return (uint32_t)(dev.noise >> 16);
}

static uint32_t
honest_read(uint32_t at)
{
	switch (at) {
	case IGB_STATUS:
		return IGB_STATUS_LU | IGB_STATUS_FD | 2u << IGB_STATUS_SPEED_SHIFT |
				(*reg(IGB_CTRL) & IGB_CTRL_GIO_MASTER_DISABLE ?
								0 :
								IGB_STATUS_GIO_MASTER_EN);
	case IGB_EECD:
		return IGB_EECD_PRES | IGB_EECD_AUTO_RD;
	case IGB_EEMNGCTL:
		return IGB_EEMNGCTL_CFG_DONE0 | IGB_EEMNGCTL_CFG_DONE1;
	default:
		return *reg(at);
	}
}

static uint32_t
dev_read32(void *opaque, uint32_t at)
{
	uint32_t v;

	MUST(at % 4 == 0 && at < IGB_BAR0_SIZE);
	cycles += 1000;
	if (dev.dead)
		return UINT32_MAX;
	v = honest_read(at);
	for (unsigned int i = 0; i < LIES; i++) {
		if (dev.lies[i].how == 0 || dev.lies[i].reg != at)
			continue;
		switch (dev.lies[i].how) {
		case 1:
			v = dev.lies[i].value;
			break;
		case 2:
			v ^= dev.lies[i].value;
			break;
		case 3: /* the value and its complement in turns */
			dev.lies[i].value = ~dev.lies[i].value;
			v = dev.lies[i].value;
			break;
		default:
			v = noise();
			break;
		}
	}
	if (dev.noise_rate != 0 && noise() % dev.noise_rate == 0)
		v = noise();
	return v;
}

static void
dev_write32(void *opaque, uint32_t at, uint32_t value)
{
	uint32_t phy;

	MUST(at % 4 == 0 && at < IGB_BAR0_SIZE);
	if (dev.dead)
		return;
	*reg(at) = value;
	switch (at) {
	case IGB_CTRL:
		if (!(value & IGB_CTRL_RST))
			break;
		*reg(at) = 0;
		for (uint16_t q = 0; q < IGB_MAX_QUEUES; q++)
			*reg(IGB_RXDCTL(q)) = *reg(IGB_TXDCTL(q)) = 0;
		memcpy(reg(IGB_RAL(0)), dev.nvm, 4);
		*reg(IGB_RAH(0)) = dev.nvm[2] | IGB_RAH_AV;
		break;
	case IGB_EERD:
		*reg(at) = IGB_EERD_DONE |
				(uint32_t)dev.nvm[value >> IGB_EERD_ADDR_SHIFT & IGB_NVM_CHECKSUM]
						<< IGB_EERD_DATA_SHIFT;
		break;
	case IGB_MDIC:
		phy = value >> IGB_MDIC_REG_SHIFT & 0x1f;
		*reg(at) = IGB_MDIC_READY |
				(phy == IGB_PHY_ID1 ? IGB_PHY_ID_82576 >> 16 :
								phy == IGB_PHY_ID2 ?
						      IGB_PHY_ID_82576 & 0xffff :
						      0);
		break;
	}
}

static volatile uint32_t *
dev_doorbell(void *opaque, uint32_t at)
{
	return reg(at);
}

static int
dev_read_config(void *opaque, void *buf, size_t len, uint32_t offset)
{
	if (offset + len > sizeof(dev.config))
		return -EINVAL;
	memcpy(buf, dev.config + offset, len);
	return 0;
}

/* Ignore stores of the driver: the device reports what it likes. */
static int
dev_write_config(void *opaque, const void *buf, size_t len, uint32_t offset)
{
	return 0;
}

static bool
dev_alive(void *opaque)
{
	return !dev.dead;
}

static bool
dev_quiesced(void *opaque)
{
	return dev.quiesced;
}

static int
dev_bar(void *opaque, unsigned int index, struct igb_bar *bar)
{
	if (index != 0)
		return -EINVAL;
	*bar = (struct igb_bar){ .size = sizeof(dev.regs), .nr_maps = 1 };
	bar->maps[0].addr = dev.regs;
	bar->maps[0].size = sizeof(dev.regs);
	return 0;
}

static bool
dev_has_iommu(void *opaque)
{
	return true;
}

/* An IOMMU without translation: the device accesses the rings only. */

static uint64_t *table;

static int
iommu_map(void *opaque, void *va, gantry_dma_addr_t iova, size_t len, enum gantry_dma_dir dir)
{
	return 0;
}

static int
iommu_unmap(void *opaque, void *va, gantry_dma_addr_t iova, size_t len)
{
	return 0;
}

static int
iommu_claim(void *opaque)
{
	return 0;
}

static int
iommu_page_table(void *opaque, gantry_dma_addr_t base, size_t nr, uint64_t **entries)
{
	free(table);
	table = *entries = calloc(nr, sizeof(**entries));
	return *entries == NULL ? -ENOMEM : 0;
}

static const struct gantry_dma_ops iommu_ops = {
	.name = "fuzz",
	.map = iommu_map,
	.unmap = iommu_unmap,
	.claim = iommu_claim,
	.page_table = iommu_page_table,
};

static const struct igb_bus_ops bus_ops = {
	.name = "fuzz",
	.dma = &iommu_ops,
	.read32 = dev_read32,
	.write32 = dev_write32,
	.doorbell = dev_doorbell,
	.read_config = dev_read_config,
	.write_config = dev_write_config,
	.alive = dev_alive,
	.quiesced = dev_quiesced,
	.bar = dev_bar,
	.has_iommu = dev_has_iommu,
};

/*
 * The application.
 */

static bool
started(void)
{
	return there && rte_eth_devices[port].data->dev_started;
}

static struct igb_rx_queue *
rxq(unsigned int q)
{
	return there && q < rte_eth_devices[port].data->nb_rx_queues ?
			rte_eth_devices[port].data->rx_queues[q] :
			NULL;
}

static struct igb_tx_queue *
txq(unsigned int q)
{
	return there && q < rte_eth_devices[port].data->nb_tx_queues ?
			rte_eth_devices[port].data->tx_queues[q] :
			NULL;
}

static bool
is_shared(const uint8_t *at, size_t width)
{
	for (unsigned int q = 0; q < QUEUES; q++) {
		const struct igb_rx_queue *rx = rxq(q);
		const struct igb_tx_queue *tx = txq(q);

		if (rx != NULL && at >= (uint8_t *)rx->ring &&
				at + width <= (uint8_t *)(rx->ring + rx->nb_desc))
			return true;
		if (tx != NULL && at >= (uint8_t *)tx->ring &&
				at + width <= (uint8_t *)(tx->ring + tx->nb_desc))
			return true;
	}
	return false;
}

static void
probe(void)
{
	const struct igb_bus_dev bus = {
		.ops = &bus_ops,
		.device = &device,
		.vendor_id = IGB_VENDOR_ID_INTEL,
		.device_id = IGB_DEV_ID_82576,
	};

	there = igb_ethdev_probe(&bus) == 0;
	if (!there)
		return;
	MUST(rte_eth_dev_get_port_by_name(device.name, &port) == 0);
}

static void
configure(void)
{
	struct rte_eth_conf conf = {
		.rxmode.offloads = rx_offloads,
		.txmode.offloads = tx_offloads | RTE_ETH_TX_OFFLOAD_MULTI_SEGS,
	};

	if (!there || rte_eth_dev_configure(port, QUEUES, QUEUES, &conf) != 0)
		return;
	for (uint16_t q = 0; q < QUEUES; q++) {
		if (rte_eth_rx_queue_setup(port, q, nb_desc, SOCKET_ID_ANY, NULL, pool) != 0 ||
				rte_eth_tx_queue_setup(port, q, nb_desc, SOCKET_ID_ANY, NULL) != 0)
			return;
	}
	rte_eth_dev_start(port);
}

static void
remove_port(void)
{
	/*
	 * If the device were not quiesced, the driver would leak memory to which it may still
	 * write.
	 */
	dev.quiesced = true;
	MUST(igb_ethdev_remove(&device) == 0);
	there = false;
}

static void
receive(unsigned int q, uint16_t max)
{
	struct rte_mbuf *pkts[64];
	const char *why;
	uint16_t n;

	n = rte_eth_rx_burst(port, q, pkts, max % 64);
	for (uint16_t i = 0; i < n; i++) {
		MUST(rte_mbuf_check(pkts[i], 1, &why) == 0);
		MUST(pkts[i]->pkt_len >= 1 && pkts[i]->pkt_len <= IGB_MAX_FRAME);
		MUST(pkts[i]->port == port);
		rte_pktmbuf_free(pkts[i]);
	}
}

static void
transmit(unsigned int q, unsigned int nb, unsigned int segs, uint64_t flags, uint16_t len)
{
	for (; nb > 0; nb--) {
		struct rte_mbuf *m = NULL;

		for (unsigned int s = 0; s < segs; s++) {
			struct rte_mbuf *next = rte_pktmbuf_alloc(pool);

			if (next == NULL || rte_pktmbuf_append(next, 60 + len % 1900) == NULL ||
					(m != NULL && rte_pktmbuf_chain(m, next) != 0)) {
				rte_pktmbuf_free(next);
				break;
			}
			memset(rte_pktmbuf_mtod(next, void *), 0x45, 60);
			m = m == NULL ? next : m;
		}
		if (m == NULL)
			return;
		m->l2_len = 14;
		m->l3_len = 20;
		m->l4_len = 20;
		m->tso_segsz = 500;
		m->vlan_tci = len;
		m->ol_flags |= flags;
		if (rte_eth_tx_prepare(port, q, &m, 1) != 1 ||
				rte_eth_tx_burst(port, q, &m, 1) != 1)
			rte_pktmbuf_free(m);
	}
}

static void
control(uint8_t what, uint8_t a, uint32_t v)
{
	struct rte_ether_addr mac = { { 2, 0, a, 1, 2, 3 } }, list[4] = { mac, mac, mac, mac };
	struct rte_eth_rss_reta_entry64 reta[2] = { { .mask = v }, { .mask = ~v } };
	struct rte_eth_rss_conf rss = { .rss_hf = v };
	struct rte_dev_eeprom_info eeprom = { 0 };
	struct rte_dev_reg_info info = { 0 };
	struct rte_eth_link link;
	uint32_t value;
	char name[32];

	if (!there)
		return;
	switch (what % 18) {
	case 0:
		(void)(a & 1 ? rte_eth_promiscuous_enable(port) :
			       rte_eth_promiscuous_disable(port));
		break;
	case 1:
		(void)(a & 1 ? rte_eth_allmulticast_enable(port) :
			       rte_eth_allmulticast_disable(port));
		break;
	case 2:
		rte_eth_dev_mac_addr_add(port, &mac, 0);
		break;
	case 3:
		rte_eth_dev_mac_addr_remove(port, &mac);
		break;
	case 4:
		rte_eth_dev_default_mac_addr_set(port, &mac);
		break;
	case 5:
		list[0].addr_bytes[0] = list[1].addr_bytes[0] = 1;
		rte_eth_dev_set_mc_addr_list(port, list, a % 5);
		break;
	case 6:
		rte_eth_dev_set_mtu(port, (uint16_t)v);
		break;
	case 7:
		rte_eth_dev_vlan_filter(port, v % 4096, a & 1);
		break;
	case 8:
		rte_eth_dev_set_vlan_offload(port, a & 7);
		break;
	case 9:
		reta[0].reta[a % 64] = v % QUEUES;
		rte_eth_dev_rss_reta_update(port, reta, 128);
		rte_eth_dev_rss_reta_query(port, reta, 128);
		break;
	case 10:
		rte_eth_dev_rss_hash_update(port, &rss);
		rte_eth_dev_rss_hash_conf_get(port, &rss);
		break;
	case 11:
		(void)(a & 1 ? rte_eth_link_get(port, &link) :
			       rte_eth_link_get_nowait(port, &link));
		break;
	case 12:
		(void)(a & 1 ? rte_eth_dev_set_link_up(port) : rte_eth_dev_set_link_down(port));
		break;
	case 13:
		if (rte_eth_dev_get_reg_info(port, &info) == 0 && info.length < 100000) {
			info.data = malloc((size_t)info.length * info.width);
			rte_eth_dev_get_reg_info(port, &info);
			free(info.data);
		}
		break;
	case 14:
		eeprom.length = a;
		eeprom.offset = v % 256;
		eeprom.data = malloc(a + 1u);
		rte_eth_dev_get_eeprom(port, &eeprom);
		free(eeprom.data);
		break;
	case 15:
		rte_eth_dev_fw_version_get(port, name, sizeof(name));
		break;
	case 16:
		rte_pmd_gantry_igb_reg_read(port, v, &value);
		break;
	case 17:
		rte_eth_dev_is_removed(port);
		break;
	}
}

static void
statistics(uint16_t offset)
{
	static struct rte_eth_xstat x[256];
	struct rte_eth_stats s;

	if (!there)
		return;
	rte_eth_stats_get(port, &s);
	rte_eth_xstats_get(port, x, RTE_DIM(x));
	if (offset == 0)
		rte_eth_stats_reset(port);
	if (!started())
		return;
	for (uint16_t q = 0; q < QUEUES; q++) {
		rte_eth_rx_queue_count(port, q);
		rte_eth_rx_descriptor_status(port, q, offset);
		rte_eth_tx_descriptor_status(port, q, offset);
		rte_eth_tx_done_cleanup(port, q, offset % 64);
	}
}

enum step {
	STEP_RX_WRITE_BACK, /* u8 queue and distance, u8 how many, u16 length, u32 status, u32 */
	STEP_RX_GOOD,       /* u8 queue and how many, u16 length */
	STEP_RX_BURST,      /* u8 queue and upper limit */
	STEP_TX,            /* u8 queue and how many, u8 segments and offloads, u16 length */
	STEP_TX_DONE,       /* u8 queue and which, u32 status bits */
	STEP_RING,          /* u8 queue and direction, u16 which 8 bytes, u64 value */
	STEP_CHANGE,        /* u8 loads, u64 bytes to xor */
	STEP_LIE,           /* u8 entry and how, u16 register, u32 value */
	STEP_NOISE,         /* u8 rate, u32 seed */
	STEP_HONEST,        /* ends all wrong values */
	STEP_REGISTER,      /* u16 register, u32 */
	STEP_NVM,           /* u8 word, u16; u8 configuration space, u8 */
	STEP_LOOK,          /* runs the watchdog */
	STEP_STATISTICS,    /* u16 */
	STEP_CONTROL,       /* u8, u8, u32 */
	STEP_START_STOP,    /* u8 */
	STEP_PROBE,         /* removes the port, and probes again */
	STEP_DEAD,          /* u8 */
	NR_STEPS
};

static void
write_back(struct igb_rx_queue *q, unsigned int i, uint32_t staterr, uint16_t len, uint32_t other)
{
	union igb_rx_desc *d = &q->ring[(q->next + i) % q->nb_desc];

	d->wb.pkt_info = (uint16_t)other;
	d->wb.hdr_info = (uint16_t)(other >> 16);
	d->wb.rss = other;
	d->wb.length = len;
	d->wb.vlan = (uint16_t)(other >> 8);
	d->wb.staterr = staterr;
}

/* Write to the rings, as the device. The operands are at enum step. */
static void
ring_step(struct input *in, enum step step)
{
	struct igb_rx_queue *rx;
	struct igb_tx_queue *tx;
	uint32_t v, other;
	uint16_t len;
	uint64_t x;
	uint8_t a, b;

	switch (step) {
	case STEP_RX_WRITE_BACK:
		a = in_uint8(in);
		b = in_uint8(in);
		len = in_uint16(in);
		v = in_uint32(in);
		other = in_uint32(in);
		rx = rxq(a % QUEUES);
		for (unsigned int i = 0; rx != NULL && i < 1u + b % 64; i++)
			write_back(rx, a / QUEUES + i, v, len + i * (b >> 6), other);
		break;
	case STEP_RX_GOOD:
		a = in_uint8(in);
		len = in_uint16(in);
		rx = rxq(a % QUEUES);
		for (unsigned int i = 0; rx != NULL && i < a / QUEUES; i++)
			write_back(rx, i, IGB_RXD_STAT_DD | IGB_RXD_STAT_EOP, len, 0);
		break;
	case STEP_TX_DONE:
		a = in_uint8(in);
		v = in_uint32(in);
		tx = txq(a % QUEUES);
		for (unsigned int i = 0; tx != NULL && i < tx->nb_desc; i++)
			if (a < 128 || i % 8 == a / QUEUES % 8)
				tx->ring[i].wb.status ^= v;
		break;
	case STEP_RING:
		a = in_uint8(in);
		len = in_uint16(in);
		x = in_uint64(in);
		rx = rxq(a % QUEUES);
		tx = txq(a % QUEUES);
		if (a & 0x80 && rx != NULL)
			((uint64_t *)rx->ring)[len % (rx->nb_desc * 2u)] = x;
		else if (!(a & 0x80) && tx != NULL)
			((uint64_t *)tx->ring)[len % (tx->nb_desc * 2u)] = x;
		break;
	default:
		break;
	}
}

/* Change the behaviour of the device. The operands are at enum step. */
static void
device_step(struct input *in, enum step step)
{
	uint16_t reg;
	uint8_t a;

	switch (step) {
	case STEP_CHANGE:
		loads_left = in_uint8(in);
		change = in_uint64(in);
		break;
	case STEP_LIE:
		a = in_uint8(in);
		dev.lies[a % LIES].how = a / LIES % 5;
		dev.lies[a % LIES].reg = in_uint16(in) % (IGB_BAR0_SIZE / 4) * 4;
		dev.lies[a % LIES].value = in_uint32(in);
		break;
	case STEP_NOISE:
		dev.noise_rate = in_uint8(in);
		dev.noise = in_uint32(in) | 1;
		break;
	case STEP_HONEST:
		dev.noise_rate = 0;
		memset(dev.lies, 0, sizeof(dev.lies));
		break;
	case STEP_REGISTER:
		reg = in_uint16(in);
		dev.regs[reg % (IGB_BAR0_SIZE / 4)] = in_uint32(in);
		break;
	case STEP_NVM:
		a = in_uint8(in);
		dev.nvm[a % RTE_DIM(dev.nvm)] = in_uint16(in);
		a = in_uint8(in);
		dev.config[a] = in_uint8(in);
		break;
	case STEP_DEAD:
		a = in_uint8(in);
		dev.dead = a & 1;
		dev.quiesced = a & 2;
		if (a & 4 && there)
			igb_ethdev_lost(&device);
		break;
	default:
		break;
	}
}

/* Call the driver, as the application or as EAL. The operands are at enum step. */
static void
port_step(struct input *in, enum step step)
{
	static const uint64_t flags[] = { 0, RTE_MBUF_F_TX_VLAN,
		RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM,
		RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_UDP_CKSUM,
		RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_SEG,
		RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_VLAN,
		RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_SCTP_CKSUM, RTE_MBUF_F_TX_IPV4 };
	uint16_t len;
	uint8_t a, b;

	switch (step) {
	case STEP_RX_BURST:
		a = in_uint8(in);
		if (started())
			receive(a % QUEUES, a / QUEUES);
		break;
	case STEP_TX:
		a = in_uint8(in);
		b = in_uint8(in);
		len = in_uint16(in);
		if (started())
			transmit(a % QUEUES, a / QUEUES % 64, 1 + b % 5, flags[b >> 5], len);
		break;
	case STEP_LOOK:
		if (started())
			igb_watchdog_check(&rte_eth_devices[port]);
		break;
	case STEP_STATISTICS:
		statistics(in_uint16(in));
		break;
	case STEP_CONTROL:
		a = in_uint8(in);
		b = in_uint8(in);
		control(a, b, in_uint32(in));
		break;
	case STEP_START_STOP:
		a = in_uint8(in);
		if (!there)
			break;
		if (a % 4 == 0)
			rte_eth_dev_stop(port);
		else if (a % 4 == 1)
			rte_eth_dev_start(port);
		else if (a % 4 == 2 && started())
			(void)(a & 4 ? rte_eth_dev_rx_queue_stop(port, a / 8 % QUEUES) :
				       rte_eth_dev_rx_queue_start(port, a / 8 % QUEUES));
		else if (started())
			(void)(a & 4 ? rte_eth_dev_tx_queue_stop(port, a / 8 % QUEUES) :
				       rte_eth_dev_tx_queue_start(port, a / 8 % QUEUES));
		break;
	case STEP_PROBE:
		remove_port();
		probe();
		configure();
		break;
	default:
		break;
	}
}

static void
run_step(struct input *in)
{
	const uint64_t begin = cycles;
	const enum step step = in_uint8(in) % NR_STEPS;

	switch (step) {
	case STEP_RX_WRITE_BACK:
	case STEP_RX_GOOD:
	case STEP_TX_DONE:
	case STEP_RING:
		ring_step(in, step);
		break;
	case STEP_CHANGE:
	case STEP_LIE:
	case STEP_NOISE:
	case STEP_HONEST:
	case STEP_REGISTER:
	case STEP_NVM:
	case STEP_DEAD:
		device_step(in, step);
		break;
	case STEP_RX_BURST:
	case STEP_TX:
	case STEP_LOOK:
	case STEP_STATISTICS:
	case STEP_CONTROL:
	case STEP_START_STOP:
	case STEP_PROBE:
		port_step(in, step);
		break;
	case NR_STEPS:
		break;
	}
	MUST(cycles - begin < WAIT_MAX_S * rte_get_timer_hz());
}

static void
new_device(void)
{
	uint16_t sum = 0;

	memset(&dev, 0, sizeof(dev));
	dev.nvm[0] = 0x0002;
	dev.nvm[2] = 0x0100;
	for (unsigned int w = 0; w < IGB_NVM_CHECKSUM; w++)
		sum += dev.nvm[w];
	dev.nvm[IGB_NVM_CHECKSUM] = IGB_NVM_CHECKSUM_SUM - sum;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static struct rte_driver driver = { .name = "fuzz" };
	char prefix[32],
			*args[] = { "fuzz", "--lcores", "0", "--no-pci", "--no-telemetry",
				"--no-shconf", "-m", "16", "--no-huge", "--file-prefix", prefix,
				"--log-level", "lib.eal:error", NULL };

	snprintf(prefix, sizeof(prefix), "fuzz-%d", (int)getpid());
	if (rte_eal_init(RTE_DIM(args) - 1, args) < 0) {
		fprintf(stderr, "EAL does not start\n");
		exit(1);
	}
	/* The driver formats its log lines, and the stream discards them. */
	rte_openlog_stream(fopen("/dev/null", "w"));
	pool = rte_pktmbuf_pool_create("fuzz", MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
			SOCKET_ID_ANY);
	MUST(pool != NULL);
	device.name = "fuzz0";
	device.driver = &driver;
	device.numa_node = SOCKET_ID_ANY;
	device.devargs = &devargs;
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *const modes[] = { "dma=direct", "dma=window", "dma=strict", "dma=bounce" };
	struct input in = { data, size };
	uint8_t how = in_uint8(&in);

	new_device();
	loads_left = 0;
	cycles = 0;
	devargs.args = modes[how % 4];
	nb_desc = how & 4 ? 64 : IGB_MIN_DESC;
	rx_offloads = (how & 8 ? RTE_ETH_RX_OFFLOAD_SCATTER : 0) |
			(how & 16 ? RTE_ETH_RX_OFFLOAD_CHECKSUM | RTE_ETH_RX_OFFLOAD_VLAN_STRIP |
									RTE_ETH_RX_OFFLOAD_RSS_HASH :
				    0);
	tx_offloads = how & 32 ? RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM |
					RTE_ETH_TX_OFFLOAD_TCP_CKSUM |
					RTE_ETH_TX_OFFLOAD_UDP_CKSUM |
					RTE_ETH_TX_OFFLOAD_VLAN_INSERT :
				 0;
	tx_offloads |= how & 64 ? RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE : 0;
	rte_vect_set_max_simd_bitwidth(how & 128 ? RTE_VECT_SIMD_DISABLED : RTE_VECT_SIMD_256);

	probe();
	MUST(there);
	configure();
	for (unsigned int i = 0; i < STEPS && in.left != 0; i++)
		run_step(&in);
	/* The device is removed and no longer accesses memory, so every mbuf must return. */
	dev.dead = dev.quiesced = true;
	remove_port();
	MUST(rte_mempool_avail_count(pool) == MBUFS);
	return 0;
}
