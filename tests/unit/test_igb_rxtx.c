/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The driver against a device that is broken or means harm. The device is this
 * file: a bus with a page of registers, and rings that the test writes to. What
 * must hold whatever it does: no crash, well-formed mbufs or none, errors
 * counted, and every mbuf back in its pool in the end.
 */

#include "dma_eal.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "igb_rxtx.h"
#include "rte_pmd_gantry_igb.h"

#define MBUFS   2047
#define NB_DESC 256
#define PORT    (fake.port)

static struct {
	uint32_t regs[IGB_BAR0_SIZE / 4];
	uint16_t nvm[IGB_NVM_CHECKSUM + 1];
	uint8_t config[256];
	struct rte_device device;
	uint16_t port;
	bool sticky;      /* ENABLE is cleared by a reset only */
	bool no_reset;    /* CTRL.RST never ends */
	bool no_nvm;      /* EERD is never done */
	bool no_phy;      /* MDIC says error */
	bool ones;        /* counters read as all ones */
	bool dead;        /* the bus says so */
	bool quiesced;    /* and that it has let go */
	uint32_t status;  /* STATUS bits beside those of a link that is up */
	bool no_link;
	unsigned int deaf; /* how often it was without its address while it received */
} fake;

static struct rte_mempool *pool;

static uint32_t *
reg(uint32_t at)
{
	return &fake.regs[at / 4];
}

static void
fake_reset(void)
{
	uint16_t q;

	for (q = 0; q < IGB_MAX_QUEUES; q++)
		*reg(IGB_RXDCTL(q)) = *reg(IGB_TXDCTL(q)) = 0;
	memcpy(reg(IGB_RAL(0)), fake.nvm, 4);
	*reg(IGB_RAH(0)) = fake.nvm[2] | IGB_RAH_AV;
}

static uint32_t
fake_read32(void *dev, uint32_t at)
{
	if (fake.dead)
		return UINT32_MAX;
	if (fake.ones && at >= IGB_CRCERRS && at < IGB_CRCERRS + 0x100)
		return UINT32_MAX;
	switch (at) {
	case IGB_STATUS:
		return fake.status | (fake.no_link ? 0 : IGB_STATUS_LU) | IGB_STATUS_FD |
			2u << IGB_STATUS_SPEED_SHIFT |
			(*reg(IGB_CTRL) & IGB_CTRL_GIO_MASTER_DISABLE ? 0 :
			IGB_STATUS_GIO_MASTER_EN);
	case IGB_RQDPC(0): {
		const uint32_t missed = *reg(at);

		*reg(at) = 0;
		return missed;
	}
	case IGB_EECD:
		return IGB_EECD_PRES | IGB_EECD_AUTO_RD;
	case IGB_EEMNGCTL:
		return IGB_EEMNGCTL_CFG_DONE0 | IGB_EEMNGCTL_CFG_DONE1;
	default:
		return *reg(at);
	}
}

static void
fake_write32(void *dev, uint32_t at, uint32_t value)
{
	uint32_t phy;

	if (fake.dead)
		return;
	if (fake.sticky && (*reg(at) & IGB_DCTL_ENABLE) && at >= IGB_RXDCTL(0) &&
			at <= IGB_TXDCTL(IGB_MAX_QUEUES - 1) && (at & 0x3f) == (IGB_RXDCTL(0) & 0x3f))
		return;
	*reg(at) = value;
	switch (at) {
	case IGB_RAH(0):
		fake.deaf += !(value & IGB_RAH_AV) && (*reg(IGB_RCTL) & IGB_RCTL_RXEN);
		break;
	case IGB_CTRL:
		if (!(value & IGB_CTRL_RST) || fake.no_reset)
			break;
		*reg(at) = 0;
		fake_reset();
		break;
	case IGB_EERD:
		if (!fake.no_nvm)
			*reg(at) = IGB_EERD_DONE | (uint32_t)fake.nvm[value >>
				IGB_EERD_ADDR_SHIFT & IGB_NVM_CHECKSUM] << IGB_EERD_DATA_SHIFT;
		break;
	case IGB_MDIC:
		phy = value >> IGB_MDIC_REG_SHIFT & 0x1f;
		*reg(at) = IGB_MDIC_READY | (fake.no_phy ? IGB_MDIC_ERROR : 0) |
			(phy == IGB_PHY_ID1 ? IGB_PHY_ID_82576 >> 16 :
			phy == IGB_PHY_ID2 ? IGB_PHY_ID_82576 & 0xffff : 0);
		break;
	}
}

static volatile uint32_t *
fake_doorbell(void *dev, uint32_t at)
{
	return reg(at);
}

static int
fake_read_config(void *dev, void *buf, size_t len, uint32_t offset)
{
	if (offset + len > sizeof(fake.config))
		return -EINVAL;
	memcpy(buf, fake.config + offset, len);
	return 0;
}

static bool
fake_alive(void *dev)
{
	return !fake.dead;
}

static bool
fake_quiesced(void *dev)
{
	return fake.quiesced;
}

static int
fake_bar(void *dev, unsigned int index, struct igb_bar *bar)
{
	if (index != 0)
		return -EINVAL;
	*bar = (struct igb_bar){ .size = sizeof(fake.regs), .nr_maps = 1 };
	bar->maps[0].addr = fake.regs;
	bar->maps[0].size = sizeof(fake.regs);
	return 0;
}

static bool
fake_has_iommu(void *dev)
{
	return true;
}

/*
 * In which mode it maps is the test's last argument. The IOMMU is one that nobody asks: the
 * device looks at rings only, and no farther.
 */

static struct {
	const char *mode;
	struct rte_devargs devargs;
	uint64_t *table;
	size_t nr;
} iommu;

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
	free(iommu.table);
	iommu.table = *entries = calloc(nr, sizeof(**entries));
	iommu.nr = nr;
	return *entries == NULL ? -ENOMEM : 0;
}

static const struct gantry_dma_ops iommu_ops = { .name = "fake", .map = iommu_map,
	.unmap = iommu_unmap, .claim = iommu_claim, .page_table = iommu_page_table };

/* Nothing is mapped any more. */
static void
assert_none_mapped(void)
{
	size_t i;

	for (i = 0; i < iommu.nr; i++)
		assert_int_equal(iommu.table[i], 0);
}

static const struct igb_bus_ops fake_ops = {
	.name = "fake",
	.dma = &iommu_ops,
	.read32 = fake_read32,
	.write32 = fake_write32,
	.doorbell = fake_doorbell,
	.read_config = fake_read_config,
	.alive = fake_alive,
	.quiesced = fake_quiesced,
	.bar = fake_bar,
	.has_iommu = fake_has_iommu,
};

static int
probe(void)
{
	const struct igb_bus_dev bus = {
		.ops = &fake_ops,
		.device = &fake.device,
		.vendor_id = IGB_VENDOR_ID_INTEL,
		.device_id = IGB_DEV_ID_82576,
	};

	return igb_ethdev_probe(&bus);
}

static void
fake_init(void)
{
	static struct rte_driver driver = { .name = "fake" };
	uint16_t sum = 0, w;

	memset(&fake, 0, sizeof(fake));
	fake.device.name = "fake0";
	fake.device.driver = &driver;
	fake.device.numa_node = SOCKET_ID_ANY;
	fake.device.devargs = &iommu.devargs;
	fake.nvm[0] = 0x0002;
	fake.nvm[2] = 0x0100;
	for (w = 0; w < IGB_NVM_CHECKSUM; w++)
		sum += fake.nvm[w];
	fake.nvm[IGB_NVM_CHECKSUM] = IGB_NVM_CHECKSUM_SUM - sum;
}

static void
start(uint64_t rx_offloads)
{
	const struct rte_eth_conf conf = { .rxmode.offloads = rx_offloads,
		.txmode.offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS };

	assert_int_equal(rte_eth_dev_configure(PORT, 1, 1, &conf), 0);
	assert_int_equal(rte_eth_rx_queue_setup(PORT, 0, NB_DESC, SOCKET_ID_ANY, NULL, pool), 0);
	assert_int_equal(rte_eth_tx_queue_setup(PORT, 0, NB_DESC, SOCKET_ID_ANY, NULL), 0);
	assert_int_equal(rte_eth_dev_start(PORT), 0);
}

static int
port_new(void **state)
{
	fake_init();
	assert_int_equal(probe(), 0);
	assert_int_equal(rte_eth_dev_get_port_by_name("fake0", &fake.port), 0);
	assert_int_equal(gantry_mem_classify(fake.regs), GANTRY_MEM_MMIO);
	return 0;
}

/* However the test went: all comes back. */
static int
port_gone(void **state)
{
	assert_int_equal(igb_ethdev_remove(&fake.device), 0);
	assert_int_equal(rte_mempool_avail_count(pool), MBUFS);
	assert_int_equal(gantry_mem_classify(fake.regs), GANTRY_MEM_PROCESS);
	assert_none_mapped();
	return 0;
}

static struct igb_rx_queue *
rxq(void)
{
	return rte_eth_devices[PORT].data->rx_queues[0];
}

static struct igb_tx_queue *
txq(void)
{
	return rte_eth_devices[PORT].data->tx_queues[0];
}

/* The device writes back the descriptor that is i after the next one. */
static void
write_back(unsigned int i, uint32_t staterr, uint16_t len)
{
	union igb_rx_desc *d = &rxq()->ring[(rxq()->next + i) % NB_DESC];

	d->wb.pkt_info = (uint16_t)rand();
	d->wb.hdr_info = (uint16_t)rand();
	d->wb.rss = (uint32_t)rand();
	d->wb.length = len;
	d->wb.vlan = (uint16_t)rand();
	d->wb.staterr = staterr;
}

/* Receives, looks at and frees everything; returns how many packets. */
static unsigned int
drain(void)
{
	struct rte_mbuf *pkts[32];
	unsigned int total = 0;
	const char *why;
	uint16_t n, i;

	while ((n = rte_eth_rx_burst(PORT, 0, pkts, 32)) != 0) {
		for (i = 0; i < n; i++) {
			if (rte_mbuf_check(pkts[i], 1, &why) != 0)
				fail_msg("%s", why);
			assert_in_range(pkts[i]->pkt_len, 1, IGB_MAX_FRAME);
			assert_int_equal(pkts[i]->port, PORT);
			rte_pktmbuf_free(pkts[i]);
		}
		total += n;
	}
	return total;
}

static uint64_t
ierrors(void)
{
	struct rte_eth_stats s;

	assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
	return s.ierrors;
}

#define GOOD (IGB_RXD_STAT_DD | IGB_RXD_STAT_EOP)

static void
rx_good(void **state)
{
	unsigned int turn, i;

	start(0);
	for (turn = 0; turn < 100; turn++) {
		for (i = 0; i < 50; i++)
			write_back(i, GOOD, 60 + i);
		assert_int_equal(drain(), 50);
	}
	assert_int_equal(ierrors(), 0);
}

static void
rx_lengths(void **state)
{
	static const uint16_t bad[] = { 0, 2049, 4096, 9728, 0x8000, 0xFFFF };
	unsigned int i;

	start(0);
	for (i = 0; i < RTE_DIM(bad); i++) {
		write_back(0, GOOD, bad[i]);
		write_back(1, GOOD, 60);
		assert_int_equal(drain(), 1);
		assert_int_equal(ierrors(), i + 1);
	}
	write_back(0, GOOD, rxq()->buf_len);
	write_back(1, GOOD | IGB_RXD_ERR_RXE, 60);
	assert_int_equal(drain(), 1);
	assert_int_equal(ierrors(), i + 1);
}

/* A frame without an end never grows beyond what a frame may have. */
static void
rx_no_end(void **state)
{
	unsigned int turn, i;

	start(RTE_ETH_RX_OFFLOAD_SCATTER);
	for (turn = 0; turn < 100; turn++) {
		for (i = 0; i < 100; i++)
			write_back(i, IGB_RXD_STAT_DD, 1 + i % 7);
		assert_int_equal(drain(), 0);
		assert_true(rxq()->first == NULL || rxq()->first->pkt_len <= rxq()->max_len);
	}
	assert_int_equal(ierrors(), 1);
	write_back(0, GOOD, 60); /* the end of it */
	write_back(1, IGB_RXD_STAT_DD, 1000);
	write_back(2, GOOD, 60);
	assert_int_equal(drain(), 1);
	/* Left in the middle of a frame. */
	write_back(0, IGB_RXD_STAT_DD, 60);
	write_back(1, IGB_RXD_STAT_DD, 60);
	assert_int_equal(drain(), 0);
	assert_non_null(rxq()->first);
}

/* Who did not ask for scattered frames gets none. */
static void
rx_unasked_scatter(void **state)
{
	start(0);
	write_back(0, IGB_RXD_STAT_DD, 60);
	write_back(1, IGB_RXD_STAT_DD, 60);
	write_back(2, GOOD, 60);
	write_back(3, GOOD, 60);
	assert_int_equal(drain(), 1);
	assert_int_equal(ierrors(), 1);
}

static void
rx_out_of_order(void **state)
{
	unsigned int i;

	start(0);
	for (i = 1; i < NB_DESC; i += 2)
		write_back(i, GOOD, 60);
	assert_int_equal(drain(), 0);
	assert_in_range(rte_eth_rx_queue_count(PORT, 0), 0, NB_DESC);
	for (i = 0; i < 100; i += 2)
		write_back(i, GOOD, 60);
	assert_int_equal(drain(), 100);
	/* All of it at once, the one descriptor that was never handed over, too. */
	for (i = 0; i < NB_DESC; i++)
		rxq()->ring[i].qw[1] = UINT64_MAX;
	drain();
}

static void
rx_noise(void **state)
{
	unsigned int turn, i;

	start(RTE_ETH_RX_OFFLOAD_SCATTER | RTE_ETH_RX_OFFLOAD_CHECKSUM |
		RTE_ETH_RX_OFFLOAD_VLAN_STRIP);
	srand(1);
	for (turn = 0; turn < 20000; turn++) {
		const unsigned int n = rand() % NB_DESC;

		for (i = 0; i < n; i++)
			write_back(i, (uint32_t)rand() << 16 ^ (uint32_t)rand() ^
				(rand() % 8 != 0), rand() % 4 != 0 ? rand() % 2100 : rand());
		/* Nobody reads these. */
		*reg(IGB_RDH(0)) = rand();
		*reg(IGB_RDT(0)) = rand();
		*reg(IGB_TDH(0)) = rand();
		*reg(IGB_TDT(0)) = rand();
		drain();
		rte_eth_rx_queue_count(PORT, 0);
		rte_eth_rx_descriptor_status(PORT, 0, rand() % NB_DESC);
	}
	assert_true(ierrors() > 0);
}

static unsigned int
transmit(unsigned int nb, unsigned int segs)
{
	unsigned int i, s, sent = 0;

	for (i = 0; i < nb; i++) {
		struct rte_mbuf *m = NULL;

		for (s = 0; s < segs; s++) {
			struct rte_mbuf *next = rte_pktmbuf_alloc(pool);

			assert_non_null(next);
			assert_non_null(rte_pktmbuf_append(next, 60));
			if (m == NULL)
				m = next;
			else
				assert_int_equal(rte_pktmbuf_chain(m, next), 0);
		}
		if (rte_eth_tx_burst(PORT, 0, &m, 1) == 1)
			sent++;
		else
			rte_pktmbuf_free(m);
	}
	return sent;
}

/* Done is reported early, twice, for what was never sent, in any order. */
static void
tx_noise(void **state)
{
	unsigned int turn, i;

	start(0);
	srand(2);
	for (turn = 0; turn < 20000; turn++) {
		transmit(rand() % 40, 1 + rand() % 3);
		for (i = 0; i < (unsigned int)rand() % 64; i++)
			txq()->ring[rand() % NB_DESC].wb.status ^= (uint32_t)rand();
		if (rand() % 16 == 0)
			assert_true(rte_eth_tx_done_cleanup(PORT, 0, rand() % 8) >= 0);
		rte_eth_tx_descriptor_status(PORT, 0, rand() % NB_DESC);
		assert_in_range(txq()->nb_free, 0, NB_DESC - 1);
	}
}

/* Never done: the ring fills, and that is that. */
static void
tx_never_done(void **state)
{
	start(0);
	assert_int_equal(transmit(1000, 1), NB_DESC - 1);
	assert_int_equal(transmit(10, 3), 0);
	assert_int_equal(rte_eth_tx_done_cleanup(PORT, 0, 0), 0);
}

/* A queue that is not let go of is freed by a reset. */
static void
stuck_queues(void **state)
{
	start(0);
	transmit(50, 1);
	fake.sticky = true;
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	assert_int_equal(rte_mempool_avail_count(pool), MBUFS);
	fake.sticky = false;
	start(0);
	write_back(0, GOOD, 60);
	assert_int_equal(drain(), 1);
}

/* A device that answers no more may still write: it keeps what it has. */
static void
silent(void **state)
{
	start(0);
	transmit(50, 1);
	fake.dead = true;
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	assert_int_equal(rte_mempool_avail_count(pool), MBUFS - 50 - (NB_DESC - 1));
	/* Meanwhile its end came: port_gone() finds all of it. */
	fake.quiesced = true;
}

static void
dead(void **state)
{
	start(0);
	transmit(50, 1);
	fake.dead = fake.quiesced = true;
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	assert_int_equal(rte_mempool_avail_count(pool), MBUFS);
	assert_int_not_equal(rte_eth_dev_start(PORT), 0);
}

static void
counters_of_ones(void **state)
{
	struct rte_eth_xstat x[128];
	struct rte_eth_stats s;

	start(0);
	fake.ones = true;
	assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
	assert_true(rte_eth_xstats_get(PORT, x, RTE_DIM(x)) > 0);
	assert_int_equal(rte_eth_stats_reset(PORT), 0);
}

/* Defaults fit every ring. */
static void
ring_sizes(void **state)
{
	static const uint16_t sizes[] = { IGB_MIN_DESC, 40, 1024 };
	static const struct rte_eth_conf conf;
	unsigned int i;

	for (i = 0; i < RTE_DIM(sizes); i++) {
		assert_int_equal(rte_eth_dev_configure(PORT, 1, 1, &conf), 0);
		assert_int_equal(rte_eth_rx_queue_setup(PORT, 0, sizes[i], SOCKET_ID_ANY, NULL,
			pool), 0);
		assert_int_equal(rte_eth_tx_queue_setup(PORT, 0, sizes[i], SOCKET_ID_ANY, NULL), 0);
		assert_int_equal(rte_eth_dev_start(PORT), 0);
		assert_int_equal(rxq()->posted, sizes[i] - 1);
		assert_int_equal(transmit(sizes[i], 1), sizes[i] - 1);
		assert_int_equal(rte_eth_dev_stop(PORT), 0);
	}
	for (i = 0; i < IGB_MIN_DESC; i += 8)
		assert_true(rte_eth_rx_queue_setup(PORT, 0, i == 0 ? 4104 : i, SOCKET_ID_ANY,
			NULL, pool) < 0);
}

static void
registers(void **state)
{
	struct rte_dev_reg_info info = { 0 };
	uint32_t *values;

	assert_int_equal(rte_eth_dev_get_reg_info(PORT, &info), 0);
	values = calloc(info.length, info.width);
	info.data = values;
	assert_int_equal(rte_eth_dev_get_reg_info(PORT, &info), 0);
	assert_int_equal(values[1] & IGB_STATUS_LU, IGB_STATUS_LU);
	info.length--;
	assert_int_equal(rte_eth_dev_get_reg_info(PORT, &info), -ENOTSUP);
	free(values);
}

/* What is logged from here on until log_end(). */
static char *log_text;
static size_t log_len;
static FILE *log_file;

static void
log_begin(void)
{
	log_file = open_memstream(&log_text, &log_len);
	assert_non_null(log_file);
	assert_int_equal(rte_openlog_stream(log_file), 0);
}

static unsigned int
log_end(const char *what)
{
	unsigned int n = 0;
	const char *p;

	rte_openlog_stream(NULL);
	fclose(log_file);
	for (p = log_text; (p = strstr(p, what)) != NULL; p++)
		n++;
	free(log_text);
	return n;
}

/* Looks of the watchdog's, by hand: EAL's alarm would come in between. */
#define STALL 5

static void
start_unwatched(void)
{
	start(0);
	igb_watchdog_stop(&rte_eth_devices[PORT]);
}

/* How many of n looks find a (new) stall. */
static unsigned int
stalls(unsigned int n)
{
	unsigned int found = 0;

	while (n-- > 0)
		found += igb_watchdog_look(&rte_eth_devices[PORT]);
	return found;
}

static void
tx_done(void)
{
	unsigned int i;

	for (i = 0; i < NB_DESC; i++)
		txq()->ring[i].wb.status = IGB_TXD_STAT_DD;
}

/* Fetched to the end, or not at all: in both cases nothing is reported. */
static void
watchdog_tx(void **state)
{
	unsigned int turn;

	start_unwatched();
	assert_int_equal(stalls(3 * STALL), 0);
	for (turn = 0; turn < 2; turn++) {
		transmit(10, 1);
		if (turn == 0)
			*reg(IGB_TDH(0)) = txq()->tail;
		log_begin();
		assert_int_equal(stalls(STALL - 1), 0);
		assert_int_equal(stalls(1), 1);
		assert_int_equal(stalls(3 * STALL), 0); /* once */
		assert_int_equal(log_end("tx queue 0 stalls"), 1);
		tx_done();
		assert_int_equal(stalls(STALL), 0);
		rte_eth_tx_burst(PORT, 0, NULL, 0);
		memset(txq()->ring, 0, txq()->ring_size);
	}
	/* Cured by a restart, and watched again. */
	transmit(10, 1);
	assert_int_equal(stalls(STALL), 1);
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	assert_int_equal(rte_eth_dev_start(PORT), 0);
	igb_watchdog_stop(&rte_eth_devices[PORT]);
	assert_int_equal(stalls(2 * STALL), 0);
	transmit(10, 1);
	assert_int_equal(stalls(STALL), 1);
}

/* Whatever the application sends on top of it, until the ring is full. */
static void
watchdog_tx_filling(void **state)
{
	unsigned int i, found = 0;

	start_unwatched();
	for (i = 0; i < STALL; i++) {
		transmit(20, 2);
		found += stalls(1);
	}
	assert_int_equal(found, 1);
}

static void
watchdog_tx_no_stall(void **state)
{
	unsigned int i;

	start_unwatched();
	/* Slow: the head moves, the oldest group's report is a long way off. */
	transmit(200, 1);
	for (i = 0; i < 4 * STALL; i++) {
		*reg(IGB_TDH(0)) = i / 2;
		assert_int_equal(stalls(1), 0);
	}
	/* Done long ago, and the application doesn't call. */
	tx_done();
	assert_int_equal(stalls(4 * STALL), 0);
	rte_eth_tx_burst(PORT, 0, NULL, 0);
	rte_eth_tx_done_cleanup(PORT, 0, 0);
	memset(txq()->ring, 0, txq()->ring_size);

	/* No link, then paused: it is not the device's fault. */
	transmit(10, 1);
	fake.no_link = true;
	assert_int_equal(stalls(4 * STALL), 0);
	fake.no_link = false;
	fake.status = IGB_STATUS_TXOFF;
	assert_int_equal(stalls(4 * STALL), 0);
	fake.status = 0;
	assert_int_equal(stalls(STALL - 2), 0);
	assert_int_equal(stalls(1), 1);
	/* A stopped queue is nobody's business. */
	assert_int_equal(rte_eth_dev_tx_queue_stop(PORT, 0), 0);
	assert_int_equal(stalls(2 * STALL), 0);
}

/* Exactly a lap between two looks, each caught before its report: busy, not stalled. */
static void
watchdog_tx_laps(void **state)
{
	unsigned int i, sent;

	start_unwatched();
	for (i = 0; i < 4 * STALL; i++) {
		for (sent = 0; sent < NB_DESC; sent += 32) {
			assert_int_equal(transmit(32, 1), 32);
			if (sent + 32 == NB_DESC)
				assert_int_equal(stalls(1), 0);
			tx_done();
			assert_int_equal(rte_eth_tx_done_cleanup(PORT, 0, 0), 32);
			memset(txq()->ring, 0, txq()->ring_size);
		}
	}
}

static void
watchdog_rx(void **state)
{
	unsigned int i;

	start_unwatched();
	write_back(0, GOOD, 60);
	write_back(1, GOOD, 60);
	assert_int_equal(drain(), 2);
	*reg(IGB_RDH(0)) = 2;
	/* Idle; nothing is wrong with frames that are missed now and then, either. */
	for (i = 0; i < 4 * STALL; i++) {
		*reg(IGB_RQDPC(0)) = i % 3 == 0;
		assert_int_equal(stalls(1), 0);
	}
	/* Frames wait, the application does not poll. */
	for (i = 0; i < 100; i++)
		write_back(i, GOOD, 60);
	*reg(IGB_RDH(0)) = 102;
	assert_int_equal(stalls(4 * STALL), 0);
	assert_int_equal(drain(), 100);
	assert_int_equal(stalls(4 * STALL), 0);
	/* The head moved on, and nothing was written. */
	*reg(IGB_RDH(0)) = 110;
	log_begin();
	assert_int_equal(stalls(STALL - 2), 0);
	*reg(IGB_RDH(0)) = 111;
	assert_int_equal(stalls(3 * STALL), 1);
	assert_int_equal(log_end("rx queue 0 stalls"), 1);
	/* It did write in the end. */
	for (i = 0; i < 9; i++)
		write_back(i, GOOD, 60);
	assert_int_equal(drain(), 9);
	assert_int_equal(stalls(4 * STALL), 0);
}

/* It does not get at its descriptors: frames are missed though there are many. */
static void
watchdog_rx_starved(void **state)
{
	unsigned int i, found = 0;

	start_unwatched();
	for (i = 0; i < 3 * STALL; i++) {
		*reg(IGB_RQDPC(0)) = 1 + i;
		found += stalls(1);
	}
	assert_int_equal(found, 1);
	/* With few, as of a pool that has run dry, it is not the device's fault. */
	rxq()->free_thresh = UINT16_MAX;
	for (i = 0; i < NB_DESC - 11; i++)
		write_back(i, GOOD, 60);
	*reg(IGB_RDH(0)) = NB_DESC - 11;
	assert_int_equal(drain(), NB_DESC - 11);
	assert_int_equal(rxq()->posted, 10);
	for (i = 0; i < 3 * STALL; i++) {
		*reg(IGB_RQDPC(0)) = 1 + i;
		assert_int_equal(stalls(1), 0);
	}
}

/* The device's word is taken for what it is. */
static void
watchdog_noise(void **state)
{
	unsigned int i;

	start_unwatched();
	srand(3);
	for (i = 0; i < 20000; i++) {
		*reg(IGB_TDH(0)) = rand();
		*reg(IGB_RDH(0)) = rand();
		*reg(IGB_RQDPC(0)) = rand();
		write_back(rand() % NB_DESC, rand(), rand());
		txq()->ring[rand() % NB_DESC].wb.status ^= (uint32_t)rand();
		transmit(rand() % 4, 1 + rand() % 3);
		drain();
		stalls(1);
	}
}

/* A card that was pulled without a word: once told is told. */
static int removals;

static int
on_removal(uint16_t port, enum rte_eth_event_type type, void *arg, void *ret)
{
	removals++;
	return 0;
}

static void
removed(void **state)
{
	uint32_t value;

	start(0);
	transmit(50, 1);
	removals = 0;
	assert_int_equal(rte_eth_dev_callback_register(PORT, RTE_ETH_EVENT_INTR_RMV, on_removal,
		NULL), 0);
	fake.quiesced = true;
	igb_ethdev_lost(&fake.device);
	igb_ethdev_lost(&fake.device);
	assert_int_equal(removals, 1);
	assert_int_equal(rte_eth_dev_is_removed(PORT), 1);
	/* Nothing is touched any more, though it would answer. */
	*reg(IGB_RDH(0)) = 7;
	assert_int_equal(rte_pmd_gantry_igb_reg_read(PORT, IGB_RDH(0), &value), -EIO);
	assert_int_equal(rte_pmd_gantry_igb_reg_write(PORT, IGB_RDH(0), 8), -EIO);
	assert_int_equal(drain(), 0);
	transmit(5, 1);
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	assert_int_equal(*reg(IGB_RDH(0)), 7);
	assert_true(*reg(IGB_RXDCTL(0)) & IGB_DCTL_ENABLE);
	assert_int_equal(rte_mempool_avail_count(pool), MBUFS);
	assert_true(rte_eth_dev_start(PORT) < 0);
	assert_int_equal(removals, 1);
	assert_int_equal(rte_eth_dev_callback_unregister(PORT, RTE_ETH_EVENT_INTR_RMV, on_removal,
		NULL), 0);
}

static void
register_access(void **state)
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

/* Its own address is a port's from when it receives on, until it gets another one. */
static void
address(void **state)
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

/* Far from its memory, and from the core that polls it. */
static void
numa(void **state)
{
	static const int nodes[] = { SOCKET_ID_ANY, 0, 1 };
	unsigned int turn, i;

	for (turn = 0; turn < RTE_DIM(nodes); turn++) {
		const unsigned int far = nodes[turn] == 1;

		assert_int_equal(igb_ethdev_remove(&fake.device), 0);
		fake.device.numa_node = nodes[turn];
		assert_int_equal(probe(), 0);
		log_begin();
		start_unwatched();
		assert_int_equal(log_end("every access crosses"), far * 2);
		log_begin();
		assert_int_equal(stalls(3), 0);
		assert_int_equal(log_end("that polls it"), 0); /* nobody does */
		log_begin();
		transmit(10, 1);
		for (i = 0; i < 100; i++)
			write_back(i, GOOD, 60);
		drain();
		tx_done();
		rte_eth_tx_burst(PORT, 0, NULL, 0);
		stalls(3);
		/* Once for each queue. */
		assert_int_equal(log_end("lcore 0 that polls it on node 0"), far * 2);
	}
}

/* Probes that fail leave nothing behind. */
static void
bad_devices(void **state)
{
	unsigned int i;

	for (i = 0; i < 9; i++) {
		fake_init();
		switch (i) {
		case 0:
			fake.nvm[5]++;
			break;
		case 1: /* a group's address */
			fake.nvm[0] |= 1;
			fake.nvm[IGB_NVM_CHECKSUM]--;
			break;
		case 2:
			fake.no_reset = true;
			break;
		case 3:
			fake.no_nvm = true;
			break;
		case 4:
			fake.no_phy = true;
			break;
		case 5:
			fake.dead = true;
			break;
		case 6: /* somebody keeps the NVM */
			*reg(IGB_SW_FW_SYNC) = UINT32_MAX - 1;
			break;
		case 7: /* no reason to fail: a ring of capabilities */
		case 8: /* or a process that died with all resources */
			fake.config[0x34] = 0x40;
			fake.config[0x41] = 0x40;
			*reg(IGB_SW_FW_SYNC) = i == 8 ? 0x1f : 0;
			assert_int_equal(probe(), 0);
			assert_int_equal(igb_ethdev_remove(&fake.device), 0);
			continue;
		}
		assert_true(probe() < 0);
		assert_int_equal(rte_eth_dev_count_avail(), 0);
	}
}

/* Process memory: EAL has no bus address for it. */
static void
no_iova(struct rte_mempool *mp, void *arg, void *obj, unsigned int i)
{
	static uint8_t buf[RTE_MBUF_DEFAULT_BUF_SIZE];
	struct rte_mbuf *m = obj;

	m->buf_addr = buf;
	rte_mbuf_iova_set(m, RTE_BAD_IOVA);
}

/* Buffers that have no bus address: told of as such, once a run, and nothing is lost. */
static void
unmappable(void **state)
{
	struct rte_eth_stats stats;
	unsigned int turn, i;

	start(0);
	if (strcmp(iommu.mode, "bounce") == 0)
		return; /* what is copied may be anywhere */
	rte_mempool_obj_iter(pool, no_iova, NULL);
	log_begin();
	for (turn = 0; turn < 5; turn++) {
		for (i = 0; i < 50; i++)
			write_back(i, GOOD, 60);
		drain();
	}
	assert_int_equal(log_end("cannot be mapped"), 1);
	assert_int_equal(rte_eth_stats_get(PORT, &stats), 0);
	assert_true(stats.rx_nombuf > 0);

	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	log_begin();
	assert_int_equal(rte_eth_dev_start(PORT), -EFAULT);
	rte_openlog_stream(NULL);
	fflush(log_file);
	assert_null(strstr(log_text, "has mbufs for"));
	assert_int_equal(log_end("cannot be mapped"), 1);
	assert_int_equal(rte_mempool_avail_count(pool), MBUFS);
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	assert_int_equal(rte_eth_dev_start(PORT), 0);
}

int
main(int argc, char **argv)
{
#define PORT_TEST(name) cmocka_unit_test_setup_teardown(name, port_new, port_gone)
	const struct CMUnitTest tests[] = {
		PORT_TEST(rx_good), PORT_TEST(rx_lengths), PORT_TEST(rx_no_end),
		PORT_TEST(rx_unasked_scatter), PORT_TEST(rx_out_of_order), PORT_TEST(rx_noise),
		PORT_TEST(tx_noise), PORT_TEST(tx_never_done), PORT_TEST(stuck_queues),
		PORT_TEST(silent), PORT_TEST(dead), PORT_TEST(counters_of_ones),
		PORT_TEST(registers), PORT_TEST(ring_sizes),
		PORT_TEST(unmappable), PORT_TEST(watchdog_tx), PORT_TEST(watchdog_tx_filling),
		PORT_TEST(watchdog_tx_no_stall), PORT_TEST(watchdog_tx_laps),
		PORT_TEST(watchdog_rx), PORT_TEST(watchdog_rx_starved),
		PORT_TEST(watchdog_noise), PORT_TEST(removed), PORT_TEST(register_access),
		PORT_TEST(address), PORT_TEST(numa),
		cmocka_unit_test(bad_devices),
	};

	static char args[32];

	iommu.mode = argv[--argc];
	snprintf(args, sizeof(args), "dma=%s", iommu.mode);
	iommu.devargs.args = args;
	eal_start(argc, argv, NULL);
	pool = rte_pktmbuf_pool_create("test", MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
		SOCKET_ID_ANY);
	assert_non_null(pool);
	return cmocka_run_group_tests_name("igb_rxtx", tests, NULL, NULL);
}
