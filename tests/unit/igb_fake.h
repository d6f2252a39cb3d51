/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A hostile or obedient 82576 for the tests of the driver. The test is the device.
 *
 *     ethdev API                                       the test
 *         |                                                | writes descriptors back
 *         v                                                v
 *     drivers/net/igb  <----- rings in memory -----> rxq()->ring, txq()->ring
 *         |  struct igb_bus_ops fake_ops
 *         v
 *     fake_read32(), fake_write32() ----> fake.regs[]   BAR 0
 *                                         fake.nvm[], fake.phy[], fake.config[]
 *
 * The bus gives the driver a page of registers, an NVM, a PHY and a configuration space, and
 * records the register writes. It has no data path: the test writes the rings itself, as a device
 * would that means well or harm. The members of `fake` are switches that make the device fail.
 *
 * Each case runs between port_new() and port_gone(). The latter asserts that the driver has
 * returned each mbuf once, holds no semaphore and has left nothing mapped. The test's thread runs
 * all of this, except the driver's interrupt handler and watchdog, which the EAL interrupt thread
 * calls. No lock protects `fake`.
 */

#ifndef IGB_FAKE_H
#define IGB_FAKE_H

#include "dma_eal.h"

#include <linux/pci_regs.h>
#include <sys/eventfd.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_interrupts.h>
#include <rte_mbuf.h>
#include <rte_vect.h>

#include "igb_rxtx.h"
#include "rte_pmd_gantry_igb.h"

#define MBUFS   2047
#define NB_DESC 256
#define PORT    (fake.port)
#define GOOD    (IGB_RXD_STAT_DD | IGB_RXD_STAT_EOP)

static struct {
	uint32_t regs[IGB_BAR0_SIZE / 4];
	uint16_t nvm[IGB_NVM_CHECKSUM + 1];
	uint16_t phy[32];
	uint8_t config[256];
	struct rte_device device;
	struct rte_intr_handle *intr; /* NULL: the bus has no interrupts */
	uint32_t nb_vectors;
	bool intr_per_queue;
	unsigned int drained; /* how often the driver emptied vector 0's file descriptor */
	struct {
		uint32_t at, value;
	} writes[4096]; /* the first ones since nr_writes was cleared */
	unsigned int nr_writes;
	uint16_t port;
	bool sticky;            /* only a reset clears ENABLE */
	uint32_t never;         /* RXDCTL or TXDCTL whose ENABLE reads as 0; 0: none */
	uint32_t gone_at;       /* a read of this register finds the device removed; 0: none */
	bool no_reset;          /* CTRL.RST never ends */
	bool no_nvm;            /* EERD is never done */
	uint16_t late;          /* a word of the NVM: the next read of it is never done; 0: none */
	unsigned int smbi_held; /* reads of SWSM for which other software has the semaphore */
	bool no_phy;            /* MDIC reports an error */
	bool ones;              /* counters read as all ones */
	bool dead;              /* the bus reports the device as removed */
	bool quiesced;          /* the bus reports that the device's accesses have ended */
	uint32_t speed;         /* STATUS.SPEED: 2 is 1000 Mb/s */
	uint32_t status;        /* STATUS bits besides those of a link that is up */
	bool no_link;
	unsigned int unowned; /* accesses to what firmware shares, without the semaphore */
	unsigned int deaf;    /* how often the driver cleared RAH[0].AV while receive was enabled */
} fake;

static struct rte_mempool *pool;

static inline uint32_t *
reg(uint32_t at)
{
	return &fake.regs[at / 4];
}

/** Clear the registers that CTRL.RST clears, as far as the tests look at them. */
static inline void
fake_reset(void)
{
	uint16_t q;

	for (q = 0; q < IGB_MAX_QUEUES; q++)
		*reg(IGB_RXDCTL(q)) = *reg(IGB_TXDCTL(q)) = 0;
	/* addresses, VLANs, RSS */
	memset(reg(IGB_RXCSUM), 0, IGB_VT_CTL - IGB_RXCSUM);
	memset(reg(IGB_RETA(0)), 0, IGB_RSSRK(10) - IGB_RETA(0));
	*reg(IGB_RCTL) = *reg(IGB_TCTL) = *reg(IGB_CTRL_EXT) = *reg(IGB_VET) = 0;
	memcpy(reg(IGB_RAL(0)), fake.nvm, 4);
	*reg(IGB_RAH(0)) = fake.nvm[2] | IGB_RAH_AV;
	memset(reg(IGB_STATS_FIRST), 0, IGB_STATS_LAST + 4 - IGB_STATS_FIRST);
}

static inline uint32_t
fake_read32(void *dev, uint32_t at)
{
	if (fake.gone_at != 0 && at == fake.gone_at)
		fake.dead = true;
	if (fake.dead)
		return UINT32_MAX;
	if (fake.never != 0 && at == fake.never)
		return *reg(at) & ~IGB_DCTL_ENABLE;
	if (fake.ones && at >= IGB_CRCERRS && at < IGB_CRCERRS + 0x100)
		return UINT32_MAX;
	switch (at) {
	case IGB_STATUS:
		return fake.status | (fake.no_link ? 0 : IGB_STATUS_LU) | IGB_STATUS_FD |
				fake.speed << IGB_STATUS_SPEED_SHIFT |
				(*reg(IGB_CTRL) & IGB_CTRL_GIO_MASTER_DISABLE ?
								0 :
								IGB_STATUS_GIO_MASTER_EN);
	case IGB_SWSM: { /* a read of SMBI takes the semaphore */
		const uint32_t held = *reg(at);

		if (fake.smbi_held > 0) {
			fake.smbi_held--;
			return held | IGB_SWSM_SMBI;
		}
		*reg(at) |= IGB_SWSM_SMBI;
		return held;
	}
	case IGB_ICR: { /* a read clears it */
		const uint32_t causes = *reg(at);

		*reg(at) = 0;
		return causes;
	}
	case IGB_EECD:
		return IGB_EECD_PRES | IGB_EECD_AUTO_RD;
	case IGB_EEMNGCTL:
		return IGB_EEMNGCTL_CFG_DONE0 | IGB_EEMNGCTL_CFG_DONE1;
	default:
		break;
	}
	if ((at >= IGB_STATS_FIRST && at <= IGB_STATS_LAST) ||
			(at >= IGB_RQDPC(0) && at <= IGB_RQDPC(IGB_MAX_QUEUES - 1) &&
					at % IGB_QUEUE_STRIDE == IGB_Q_RQDPC)) {
		const uint32_t counted = *reg(at);

		*reg(at) = 0;
		return counted;
	}
	return *reg(at);
}

static inline void
fake_write32(void *dev, uint32_t at, uint32_t value)
{
	uint32_t phy;

	if (fake.dead)
		return;
	if (fake.sticky && (*reg(at) & IGB_DCTL_ENABLE) && at >= IGB_RXDCTL(0) &&
			at <= IGB_TXDCTL(IGB_MAX_QUEUES - 1) &&
			(at & 0x3f) == (IGB_RXDCTL(0) & 0x3f))
		return;
	if (fake.nr_writes < RTE_DIM(fake.writes)) {
		fake.writes[fake.nr_writes].at = at;
		fake.writes[fake.nr_writes].value = value;
		fake.nr_writes++;
	}
	switch (at) {
	case IGB_IMS:
	case IGB_EIMS:
		*reg(at) |= value;
		return;
	case IGB_IMC:
		*reg(IGB_IMS) &= ~value;
		return;
	case IGB_EIMC:
		*reg(IGB_EIMS) &= ~value;
		return;
	}
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
	case IGB_SW_FW_SYNC:
		fake.unowned += fake.smbi_held > 0 ||
				(*reg(IGB_SWSM) & (IGB_SWSM_SMBI | IGB_SWSM_SWESMBI)) !=
						(IGB_SWSM_SMBI | IGB_SWSM_SWESMBI);
		break;
	case IGB_EERD:
		fake.unowned += !(*reg(IGB_SW_FW_SYNC) & IGB_SW_FW_EEP);
		if (fake.late != 0 && value >> IGB_EERD_ADDR_SHIFT == fake.late)
			fake.late = 0;
		else if (!fake.no_nvm)
			*reg(at) = IGB_EERD_DONE |
					(uint32_t)fake.nvm[value >> IGB_EERD_ADDR_SHIFT &
							IGB_NVM_CHECKSUM]
							<< IGB_EERD_DATA_SHIFT;
		break;
	case IGB_MDIC:
		fake.unowned += !(*reg(IGB_SW_FW_SYNC) & IGB_SW_FW_PHY0);
		phy = value >> IGB_MDIC_REG_SHIFT & 0x1f;
		if ((value & IGB_MDIC_OP_MASK) == IGB_MDIC_OP_WRITE)
			fake.phy[phy] = (uint16_t)value;
		*reg(at) = IGB_MDIC_READY | (fake.no_phy ? IGB_MDIC_ERROR : 0) | fake.phy[phy];
		break;
	}
}

static inline volatile uint32_t *
fake_doorbell(void *dev, uint32_t at)
{
	return reg(at);
}

static inline int
fake_read_config(void *dev, void *buf, size_t len, uint32_t offset)
{
	if (offset + len > sizeof(fake.config))
		return -EINVAL;
	memcpy(buf, fake.config + offset, len);
	return 0;
}

/** The driver writes the status only: a one clears a bit of its upper half (RW1C). */
static inline int
fake_write_config(void *dev, const void *buf, size_t len, uint32_t offset)
{
	assert_int_equal(offset, PCI_STATUS);
	assert_int_equal(len, 2);
	fake.config[PCI_STATUS + 1] &= ~((const uint8_t *)buf)[1];
	return 0;
}

static inline bool
fake_alive(void *dev)
{
	return !fake.dead;
}

static inline bool
fake_quiesced(void *dev)
{
	return fake.quiesced;
}

static inline int
fake_bar(void *dev, unsigned int index, struct igb_bar *bar)
{
	if (index != 0)
		return -EINVAL;
	*bar = (struct igb_bar){ .size = sizeof(fake.regs), .nr_maps = 1 };
	bar->maps[0].addr = fake.regs;
	bar->maps[0].size = sizeof(fake.regs);
	return 0;
}

/** Create an event file descriptor for each of nb queues, as EAL does. */
static inline int
fake_queue_vectors_on(void *dev, uint32_t nb)
{
	uint32_t i;

	if (nb >= fake.nb_vectors)
		return -ENOSPC;
	for (i = 0; i < nb; i++)
		rte_intr_efds_index_set(fake.intr, i, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	return rte_intr_nb_efd_set(fake.intr, nb);
}

static inline void
fake_queue_vectors_off(void *dev)
{
	int i;

	rte_intr_free_epoll_fd(fake.intr);
	for (i = 0; i < rte_intr_nb_efd_get(fake.intr); i++)
		close(rte_intr_efds_index_get(fake.intr, i));
	rte_intr_nb_efd_set(fake.intr, 0);
}

static inline void
fake_intr_drain(void *dev)
{
	eventfd_t n;

	if (eventfd_read(rte_intr_fd_get(fake.intr), &n) == 0)
		__atomic_fetch_add(&fake.drained, 1, __ATOMIC_RELEASE);
}

static inline bool
fake_has_iommu(void *dev)
{
	return true;
}

/*
 * The DMA backend. The last argument of the program selects the mode in which the library maps
 * buffers. Nothing consults this IOMMU, because the test accesses only the rings, not the buffers;
 * it exists so that each mode can be set up. A page table must be empty at the end of a case.
 */

static struct {
	const char *mode;
	struct rte_devargs devargs;
	uint64_t *table;
	size_t nr;
} iommu;

static inline int
iommu_map(void *opaque, void *va, gantry_dma_addr_t iova, size_t len, enum gantry_dma_dir dir)
{
	return 0;
}

static inline int
iommu_unmap(void *opaque, void *va, gantry_dma_addr_t iova, size_t len)
{
	return 0;
}

static inline int
iommu_claim(void *opaque)
{
	return 0;
}

static inline int
iommu_page_table(void *opaque, gantry_dma_addr_t base, size_t nr, uint64_t **entries)
{
	free(iommu.table);
	iommu.table = *entries = calloc(nr, sizeof(**entries));
	iommu.nr = nr;
	return *entries == NULL ? -ENOMEM : 0;
}

static const struct gantry_dma_ops iommu_ops = {
	.name = "fake",
	.map = iommu_map,
	.unmap = iommu_unmap,
	.claim = iommu_claim,
	.page_table = iommu_page_table,
};

/** Assert that nothing is still mapped. */
static inline void
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
	.write_config = fake_write_config,
	.alive = fake_alive,
	.quiesced = fake_quiesced,
	.bar = fake_bar,
	.queue_vectors_on = fake_queue_vectors_on,
	.queue_vectors_off = fake_queue_vectors_off,
	.intr_drain = fake_intr_drain,
	.has_iommu = fake_has_iommu,
};

/**
 * Probe the device as a bus does.
 * @retval 0  the driver has taken the device
 * @retval -errno  the driver refuses it
 */
static inline int
probe(void)
{
	const struct igb_bus_dev bus = {
		.ops = &fake_ops,
		.device = &fake.device,
		.vendor_id = IGB_VENDOR_ID_INTEL,
		.device_id = IGB_DEV_ID_82576,
		.intr_handle = fake.intr,
		.nb_vectors = fake.nb_vectors,
		.intr_per_queue = fake.intr_per_queue,
	};

	return igb_ethdev_probe(&bus);
}

/**
 * Put the device into its initial state: no failures, link up at 1000 Mb/s, a valid NVM checksum.
 */
static inline void
fake_init(void)
{
	static struct rte_driver driver = { .name = "fake" };
	uint16_t sum = 0, w;

	memset(&fake, 0, sizeof(fake));
	fake.speed = 2;
	fake.device.name = "fake0";
	fake.device.driver = &driver;
	fake.device.numa_node = SOCKET_ID_ANY;
	fake.device.devargs = &iommu.devargs;
	fake.phy[IGB_PHY_ID1] = IGB_PHY_ID_82576 >> 16;
	fake.phy[IGB_PHY_ID2] = IGB_PHY_ID_82576 & 0xffff;
	fake.nvm[0] = 0x0002;
	fake.nvm[2] = 0x0100;
	for (w = 0; w < IGB_NVM_CHECKSUM; w++)
		sum += fake.nvm[w];
	fake.nvm[IGB_NVM_CHECKSUM] = IGB_NVM_CHECKSUM_SUM - sum;
}

/** Configure and start the port with one receive and one transmit queue of NB_DESC descriptors. */
static inline void
start(uint64_t rx_offloads)
{
	const struct rte_eth_conf conf = {
		.rxmode.offloads = rx_offloads,
		.txmode.offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS,
	};

	assert_int_equal(rte_eth_dev_configure(PORT, 1, 1, &conf), 0);
	assert_int_equal(rte_eth_rx_queue_setup(PORT, 0, NB_DESC, SOCKET_ID_ANY, NULL, pool), 0);
	assert_int_equal(rte_eth_tx_queue_setup(PORT, 0, NB_DESC, SOCKET_ID_ANY, NULL), 0);
	assert_int_equal(rte_eth_dev_start(PORT), 0);
}

/** Probe the device: the set-up of a test case. */
static inline int
port_new(void **state)
{
	fake_init();
	assert_int_equal(probe(), 0);
	assert_int_equal(rte_eth_dev_get_port_by_name("fake0", &fake.port), 0);
	assert_int_equal(gantry_mem_classify(fake.regs), GANTRY_MEM_MMIO);
	return 0;
}

/** Assert that each mbuf is in its pool exactly once: the driver has freed none of them twice. */
static inline void
assert_pool_is_whole(void)
{
	static struct rte_mbuf *all[MBUFS + 1];
	static uint32_t turn;
	unsigned int i;

	assert_int_equal(rte_mempool_avail_count(pool), MBUFS);
	assert_int_equal(rte_mempool_get_bulk(pool, (void **)all, MBUFS), 0);
	assert_int_not_equal(rte_mempool_get(pool, (void **)&all[MBUFS]), 0);
	turn++;
	for (i = 0; i < MBUFS; i++) {
		assert_int_not_equal(all[i]->dynfield1[0], turn);
		all[i]->dynfield1[0] = turn;
	}
	rte_mempool_put_bulk(pool, (void **)all, MBUFS);
}

/** Remove the device, and assert that the driver has released everything, whatever the test did. */
static inline int
port_gone(void **state)
{
	assert_int_equal(igb_ethdev_remove(&fake.device), 0);
	assert_pool_is_whole();
	assert_int_equal(fake.unowned, 0);
	assert_int_equal(*reg(IGB_SW_FW_SYNC), 0);
	assert_int_equal(gantry_mem_classify(fake.regs), GANTRY_MEM_PROCESS);
	assert_none_mapped();
	return 0;
}

static inline struct igb_rx_queue *
rxq(void)
{
	return rte_eth_devices[PORT].data->rx_queues[0];
}

static inline struct igb_tx_queue *
txq(void)
{
	return rte_eth_devices[PORT].data->tx_queues[0];
}

/**
 * Write a receive descriptor back, as the device.
 * @param i  the descriptor, counted from the one that the driver reads next
 * @param staterr  status and error bits
 * @param len  length that the device claims to have written, in bytes
 */
static inline void
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

/**
 * Receive, check and free all packets that are there.
 * @return the number of packets
 */
static inline unsigned int
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

/** Read the port's ierrors counter. */
static inline uint64_t
ierrors(void)
{
	struct rte_eth_stats s;

	assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
	return s.ierrors;
}

static inline uint64_t
xstat(const char *name)
{
	uint64_t id, value = 0;

	assert_int_equal(rte_eth_xstats_get_id_by_name(PORT, name, &id), 0);
	assert_int_equal(rte_eth_xstats_get_by_id(PORT, &id, &value, 1), 1);
	return value;
}

/* The lines that are logged from log_begin() until log_end(). */
static char *log_text;
static size_t log_len;
static FILE *log_file;

static inline void
log_begin(void)
{
	log_file = open_memstream(&log_text, &log_len);
	assert_non_null(log_file);
	assert_int_equal(rte_openlog_stream(log_file), 0);
}

/**
 * Stop recording, and free the recorded lines.
 * @return how often `what` occurs in them
 */
static inline unsigned int
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

/** Configure one queue in each direction; the receive queue uses mp. */
static inline void
queues_of(struct rte_mempool *mp, uint16_t nb_desc)
{
	static const struct rte_eth_conf conf;

	assert_int_equal(rte_eth_dev_configure(PORT, 1, 1, &conf), 0);
	assert_int_equal(rte_eth_rx_queue_setup(PORT, 0, nb_desc, SOCKET_ID_ANY, NULL, mp), 0);
	assert_int_equal(rte_eth_tx_queue_setup(PORT, 0, NB_DESC, SOCKET_ID_ANY, NULL), 0);
}

/** Send nb packets of segs segments; return the number that the driver accepts. */
static inline unsigned int
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

/** Give an mbuf a buffer in process memory, for which EAL has no bus address. */
static inline void
no_iova(struct rte_mempool *mp, void *arg, void *obj, unsigned int i)
{
	static uint8_t buf[RTE_MBUF_DEFAULT_BUF_SIZE];
	struct rte_mbuf *m = obj;

	m->buf_addr = buf;
	rte_mbuf_iova_set(m, RTE_BAD_IOVA);
}

static const struct rte_ether_addr other = { { 2, 1, 2, 3, 4, 5 } };

/** Configure nb_rx and nb_tx queues; without conf, RSS over the receive queues and nothing else. */
static inline void
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

/** Configure and start; see configure(). */
static inline void
begin(uint16_t nb_rx, uint16_t nb_tx, const struct rte_eth_conf *conf)
{
	configure(nb_rx, nb_tx, conf);
	assert_int_equal(rte_eth_dev_start(PORT), 0);
}

static inline void
restart(void)
{
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	assert_int_equal(rte_eth_dev_start(PORT), 0);
}

/** Copy the values that were written to a register to `values`, in order; return their number. */
static inline unsigned int
writes_to(uint32_t at, uint32_t *values, unsigned int max)
{
	unsigned int i, n = 0;

	for (i = 0; i < fake.nr_writes; i++)
		if (fake.writes[i].at == at && n < max)
			values[n++] = fake.writes[i].value;
	return n;
}

/** Write back everything that was sent, as the device, and have the driver reclaim it. */
static inline void
tx_all_done(void)
{
	unsigned int i;

	for (i = 0; i < txq()->nb_desc; i++)
		txq()->ring[i].wb.status |= IGB_TXD_STAT_DD;
	rte_eth_tx_done_cleanup(PORT, 0, 0);
	assert_int_equal(txq()->nb_free, txq()->nb_desc - 1);
}

/**
 * Start EAL with the memory mode and the DMA mode of the first and the last argument, and create
 * the pool. An argument "scalar" between them disables the vector paths.
 */
static inline void
fake_start_eal(int argc, char **argv)
{
	static char args[32];

	iommu.mode = argv[--argc];
	snprintf(args, sizeof(args), "dma=%s", iommu.mode);
	iommu.devargs.args = args;
	eal_start(argc, argv, NULL);
	if (strcmp(argv[argc - 1], "scalar") == 0)
		assert_int_equal(rte_vect_set_max_simd_bitwidth(RTE_VECT_SIMD_DISABLED), 0);
	pool = rte_pktmbuf_pool_create("test", MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
			SOCKET_ID_ANY);
	assert_non_null(pool);
}

#define PORT_TEST(name) cmocka_unit_test_setup_teardown(name, port_new, port_gone)

#endif /* IGB_FAKE_H */
