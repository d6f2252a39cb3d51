/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Internals that the files of the device share. The theory is in m82576.c.
 */

#ifndef M82576_PRIV_H
#define M82576_PRIV_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "m82576.h"
#include "igb_regs.h"
#include "vfio_user.h"
#include "vfu_rcu.h"

#define M82576_CACHE_LINE   64
#define M82576_LINE_DESCS   (M82576_CACHE_LINE / IGB_DESC_SIZE)
#define M82576_FCS_LEN      4
#define M82576_ETH_HDR_LEN  14
#define M82576_MIN_FRAME    60 /* without FCS */
#define M82576_VLAN_TAG_LEN 4

#define M82576_FETCH     64                  /* descriptors cached ahead, at most, as in hardware */
#define M82576_PREFETCH  6                   /* distance of the prefetched buffer, in descriptors */
#define M82576_WB_BATCH  64                  /* write-backs held back until a flush, at most */
#define M82576_STAGING   (256 * 1024 + 1024) /* bytes: PAYLEN has 18 bits, plus the headers */
#define M82576_HINT_AGE  16                  /* flushes for which a hint may wait */
#define M82576_HEADROOM  16                  /* bytes before a frame to send, for the VLAN tag */
#define M82576_OUT       32768               /* bytes for the segments of a burst */
#define M82576_NVM_WORDS 1024
#define M82576_SPI_PAGE  32 /* bytes that the EEPROM writes at once */
#define M82576_PHY_REGS  32

#define M82576_STAT_WORDS ((IGB_STATS_LAST - IGB_STATS_FIRST) / 4 + 1)
#define M82576_STAT(reg)  (((reg)-IGB_STATS_FIRST) / 4)

/* Frames may pass if all of these are set. They share one word, so that a frame costs one load. */
#define M82576_GATE_CLIENT (1u << 0) /* a client is attached */
#define M82576_GATE_LINK   (1u << 1) /* the far end signals, and the PHY has power */
#define M82576_GATE_BME    (1u << 2) /* PCI command: bus master */
#define M82576_GATE_MASTER (1u << 3) /* CTRL.GIO_MASTER_DISABLE is clear */
#define M82576_GATE_RXEN   (1u << 4) /* RCTL.RXEN */
#define M82576_GATE_TXEN   (1u << 5) /* TCTL.EN */
/* Owner of the receiver (m82576_loop.c): one of the two, or for a moment none. */
#define M82576_GATE_WIRE (1u << 6) /* the receiving thread */
#define M82576_GATE_LOOP (1u << 7) /* the transmitting thread: loopback */
/* PCI command: INTx is enabled. */
#define M82576_GATE_INTX (1u << 8)
#define M82576_GATES_DMA (M82576_GATE_CLIENT | M82576_GATE_BME | M82576_GATE_MASTER)
#define M82576_GATES_TX  (M82576_GATES_DMA | M82576_GATE_LINK | M82576_GATE_TXEN)
#define M82576_GATES_RX  (M82576_GATES_DMA | M82576_GATE_LINK | M82576_GATE_RXEN | M82576_GATE_WIRE)

/* Kinds of log lines. Each kind is logged once for a client. */
enum m82576_log_kind {
	M82576_LOG_RING, /* invalid length or address of a ring */
	M82576_LOG_TAIL, /* doorbell outside the ring */
	M82576_LOG_TXD,  /* invalid transmit descriptor */
	M82576_LOG_TSO,
	M82576_LOG_SIZE,
	M82576_LOG_DMA, /* from here on: DMA faults by target, direction and reason */
};

/* The target of the access that met a DMA fault. */
enum m82576_dma_what {
	M82576_DMA_RING,
	M82576_DMA_BUFFER,
};

static inline uint32_t
m82576_ld(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static inline uint32_t
m82576_ld_acq(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void
m82576_st(uint32_t *p, uint32_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELAXED);
}

/* Add to a counter that has one writer and any number of readers. */
static inline void
m82576_count(uint64_t *p, uint64_t n)
{
	__atomic_store_n(p, *p + n, __ATOMIC_RELAXED);
}

static inline uint64_t
m82576_counter(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

/*
 * A queue as the control thread configures it. gen is the ring's generation: odd while the queue is
 * enabled. The control thread sets base to head_wb before gen becomes odd, and does not change them
 * until it is even again.
 */
struct m82576_ring {
	uint32_t reg[IGB_QUEUE_STRIDE / 4]; /* the polling thread writes HEAD */
	uint32_t *tail;                     /* in the client's mapping, or in reg[] */
	uint32_t *head_hint;                /* likewise; written only */
	uint32_t gen;
	uint64_t base;
	uint32_t len;   /* in bytes, as the driver wrote it */
	uint32_t count; /* descriptors; 0: unusable */
	uint32_t head;  /* index of the first descriptor */
	uint32_t srrctl;
	uint64_t head_wb; /* TDWBA: address and enable bit */
	uint32_t index;
	bool is_tx;
};

/* Set the head of a queue that no polling thread serves, and its hint. */
static inline void
m82576_ring_set_head(struct m82576_ring *r, uint32_t head)
{
	m82576_st(&r->reg[IGB_Q_HEAD / 4], head);
	m82576_st(r->head_hint, head);
}

/*
 * Hints of heads that wait. In the client's page a head shares its cache line with the tail, which
 * the driver stores: a hint takes the line away from the next doorbell. So it waits until its queue
 * rests, for at most M82576_HINT_AGE flushes.
 */
struct m82576_hints {
	uint32_t stale; /* queues whose head moved since their hint was stored */
	uint32_t age;   /* flushes since the first of them became stale */
};

/* Return the queues whose hint is due at this flush, in which the heads of others moved. */
static inline uint32_t
m82576_hints_due(struct m82576_hints *h, uint32_t moved)
{
	uint32_t due = h->stale & ~moved;

	h->age = h->stale != 0 ? h->age + 1 : 0;
	h->stale |= moved;
	if (h->age == M82576_HINT_AGE)
		due = h->stale;
	h->stale &= ~due;
	return due;
}

/*
 * The reads of a queue from memory without a file descriptor, one at a time. Such a read takes a
 * message to the client (vfu_dma_read()): the first call requests it, and the queue repeats the
 * same call until the data is there. In the meantime the queue does nothing else. Each queue has a
 * slot of its own.
 */
struct m82576_read {
	unsigned int slot;
	uint32_t asked; /* bytes requested; 0: nothing */
};

/*
 * A receive queue in operation. Only the receiving thread accesses it (in loopback the transmitting
 * thread).
 */
struct m82576_rxq {
	uint32_t gen;
	uint32_t count, head, tail;
	uint64_t base;
	uint32_t bufsize;
	uint32_t fetched, used; /* descriptors in desc[], and number of those used up */
	uint32_t wb_count;      /* write-backs pending, from index wb_first on */
	uint32_t wb_first;
	/* From SRRCTL: */
	bool legacy; /* the legacy format */
	bool split;  /* the header goes into a buffer of its own */
	bool always; /* so does what has no header */
	bool drop;   /* DROP_EN */

	bool dead; /* the ring could not be accessed: until the next ENABLE */
	bool low;  /* below the minimum threshold, and reported */
	uint32_t hdrsize;
	uint32_t min;      /* the minimum threshold, in descriptors; 0: none */
	uint32_t bad_tail; /* last bad doorbell, already counted */
	struct m82576_read read;
	union igb_rx_desc desc[M82576_FETCH];
	union igb_rx_desc wb[M82576_WB_BATCH];
	uint64_t frames, no_desc;
} __attribute__((aligned(M82576_CACHE_LINE)));

/* Frames of a burst, and their bytes without FCS. */
struct m82576_sum {
	uint64_t frames, bytes;
};

struct m82576_tx_ctx {
	uint32_t vlan_macip_lens, type_tucmd, mss_l4len_idx;
};

struct m82576_txq {
	uint32_t gen;
	uint32_t count, head, tail;
	uint64_t base, head_wb;
	bool dead;
	bool skip;    /* the current frame is bad: drop it up to EOP */
	bool started; /* the current frame's first descriptor was seen */
	bool tso;     /* segmentation is in progress */
	uint32_t bad_tail;
	uint32_t fetched, used;
	struct m82576_read read;
	uint32_t wb_count;
	/* From the first descriptor of the current frame. */
	uint32_t cmd, olinfo;
	union igb_tx_desc legacy;
	bool is_legacy;
	struct m82576_tx_ctx ctx[IGB_TX_CONTEXTS];
	bool ctx_valid[IGB_TX_CONTEXTS];
	/*
	 * The frames of a burst, one behind the other. The current one begins M82576_HEADROOM bytes
	 * behind "at", and has len bytes so far.
	 */
	uint8_t *staging;
	uint32_t at, len;
	const uint8_t *rest; /* of the current frame: see struct m82576_frame */
	uint32_t burst;      /* number of the burst whose frames are in staging */
	bool has_rests;      /* some of these frames have a rest */
	/* Segmentation: offset of the next payload byte, and number of segments made. */
	uint32_t tso_off, tso_n;
	union igb_tx_desc desc[M82576_FETCH];
	struct {
		uint32_t index;
		uint64_t qw1;
	} wb[M82576_WB_BATCH];
	uint64_t frames;
} __attribute__((aligned(M82576_CACHE_LINE)));

/*
 * Counters of one direction. Only that direction's polling thread writes them; in loopback the
 * transmitting thread is that of both (m82576_loop.c). The exception is rxc.off. In loopback two
 * threads count in it, so they add atomically: the transmitting thread the looped frames that it
 * drops, and the receiving thread those that the wire brings (m82576_rx()).
 */
struct m82576_counters {
	/* As the statistics registers; a 64-bit register at the index of its low half. */
	uint64_t stat[M82576_STAT_WORDS];
	uint64_t frames, bytes, no_desc, filtered, bad, off, bad_doorbells;
	uint64_t rqdpc[IGB_MAX_QUEUES];
} __attribute__((aligned(M82576_CACHE_LINE)));

/* The EEPROM behind the pins of EECD (m82576_nvm.c). */
struct m82576_spi {
	uint32_t pins;    /* EECD, as the EEPROM sees it */
	uint32_t bits;    /* bits of the command so far */
	uint32_t in;      /* the last 32 of them */
	uint32_t written; /* bytes of page[] that the command wrote, one bit each */
	uint16_t addr;
	uint8_t code, status;
	uint8_t page[M82576_SPI_PAGE];
	bool out; /* DO */
};

struct m82576 {
	char name[64];
	unsigned int speed_mbps;
	unsigned int addr_bits;
	uint64_t addr_mask; /* address bits that the device drives */
	uint8_t mac[6];
	struct vfu_server *server;
	int pages_fd;
	uint8_t *pages[2]; /* 0xC000 and 0xE000, shared with the client; NULL: not mapped */
	void (*log)(const char *name, const char *line);
	uint32_t log_done;              /* kinds that have had their line */
	uint32_t log_second, log_lines; /* the current second, and its number of lines */

	/* Control thread only. */
	uint8_t cfg[4096], cfg_wmask[4096];
	uint64_t faults_cleared; /* DMA faults of the port when the PCI status was cleared */
	uint8_t msix_table[IGB_MSIX_VECTORS * 16];
	uint32_t ioaddr;
	uint16_t nvm[M82576_NVM_WORDS];
	struct m82576_spi spi;
	uint16_t phy[M82576_PHY_REGS];
	uint16_t phy_page;
	uint32_t stat_high; /* latched by reading the low half */
	uint64_t stat_base[M82576_STAT_WORDS];
	uint64_t rqdpc_base[IGB_MAX_QUEUES];

	/*
	 * Written by the control thread, read by all threads. Exceptions: any thread may change
	 * gates, atomically; the transmitting thread writes tx_paused and loop_waits.
	 */
	uint64_t busy_at; /* for a client without a process number */
	uint32_t reg[IGB_BAR0_SIZE / 4];
	uint64_t ra[IGB_NUM_RA];    /* receive addresses, little-endian; bit 63: valid */
	uint32_t ra_valid;          /* those of them that are valid, one bit for each */
	uint32_t rss_table[80][16]; /* Toeplitz hash, by nibble position and value */
	uint32_t gates;
	uint32_t link_wanted;            /* CTRL.SLU was set, and not cleared since */
	uint32_t rx_enabled, tx_enabled; /* one bit for each queue */
	uint32_t tx_paused, loop_waits;  /* STATUS.TXOFF: by the far end; in loopback */
	struct m82576_ring rx_ring[IGB_MAX_QUEUES], tx_ring[IGB_MAX_QUEUES];

	/* Link and interrupts: any thread, by atomic operations (m82576_phy.c, m82576_intr.c). */
	uint32_t cable;            /* the far end signals */
	uint32_t carrier;          /* m82576_carrier() */
	uint32_t ability, partner; /* M82576_ABLE_*: modes of this end, of the far end */
	uint32_t link_was_down;    /* since the PHY status register was last read */
	uint32_t icr, ims, eicr, eims, eicr_sent;
	uint32_t icr_sent;
	uint32_t intr_pending;                /* a message is due at the next flush */
	uint64_t intr_last[IGB_MSIX_VECTORS]; /* time of the last message, in ns, for throttling */
	uint32_t intr_next;                   /* vector that is checked first */

	/* The receiving thread only; in loopback the transmitting thread only. */
	struct m82576_counters rxc;
	uint32_t rx_dirty; /* queues with write-backs pending */
	struct m82576_hints rx_hints;
	uint32_t rx_causes; /* causes (ICR) to report at the flush */
	bool rx_busy;       /* so many writes are queued that no frame is taken */
	struct vfu_tlb rx_tlb;
	struct m82576_rxq rxq[IGB_MAX_QUEUES];
	uint8_t whole[IGB_MAX_FRAME + 64]; /* a frame with a rest that must be read whole */
	uint8_t in[IGB_MAX_FRAME + 64];    /* a frame without its tag, or with its FCS */

	/* The transmitting thread only. */
	struct m82576_counters txc;
	uint32_t tx_dirty; /* queues whose head moved since the last flush */
	struct m82576_hints tx_hints;
	uint32_t tx_next; /* queue that is served next */
	uint32_t tx_quantum;
	uint32_t tx_descs, tx_bytes; /* since the last flush */
	uint64_t tx_began;           /* time of the first descriptor since the last flush, ns */
	bool tx_busy;                /* so many writes are queued that no frame is begun */
	struct vfu_tlb tx_tlb;
	struct m82576_frame looped; /* waits for a receive descriptor; data NULL: none */
	struct m82576_txq txq[IGB_MAX_QUEUES];
	bool tx_rest_allowed;    /* m82576_tx_allow_rest() */
	bool tx_rest;            /* so in the current burst */
	uint32_t tx_burst;       /* number of the current burst */
	uint32_t out_used;       /* bytes of out that have segments of this burst */
	uint8_t out[M82576_OUT]; /* segments */
};

static inline uint64_t
m82576_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline uint32_t
m82576_reg(const struct m82576 *m, uint32_t off)
{
	return m82576_ld(&m->reg[off / 4]);
}

static inline void
m82576_reg_set(struct m82576 *m, uint32_t off, uint32_t v)
{
	m82576_st(&m->reg[off / 4], v);
}

/*
 * Translate a range of the client's memory. The device drives addr_bits bits of an address, and the
 * bits above them are lost. One translation serves one access: one buffer of a frame, one
 * descriptor, or some descriptors that are copied at once. If vfu_tlb_lasts(), it may serve more of
 * them, up to the end of the burst; vfu_server.h gives the reason. tlb is that of the direction,
 * rx_tlb or tx_tlb.
 */
static inline void *
m82576_dma_ptr(struct m82576 *m, struct vfu_tlb *tlb, uint64_t addr, size_t len, uint32_t prot)
{
	return vfu_tlb_ptr(tlb, addr & m->addr_mask, len, prot);
}

#define M82576_RX_SLOT(q) (q)
#define M82576_TX_SLOT(q) (IGB_MAX_QUEUES + (q))
_Static_assert(M82576_TX_SLOT(IGB_MAX_QUEUES) <= VFU_DMA_SLOTS, "a slot for each queue");

/* Cancel a read that was requested. */
static inline void
m82576_dma_cancel(struct m82576 *m, struct m82576_read *read)
{
	if (read->asked != 0)
		vfu_dma_cancel(m->server, read->slot);
	read->asked = 0;
}

/*
 * Copy bytes of a frame. A frame of 32 to 64 bytes is copied in pieces of 16 bytes, of which the
 * last ones overlap the others: no byte beyond its end is read or written, and no function is
 * called.
 */
static inline void
m82576_copy(void *to, const void *from, size_t len)
{
	typedef uint64_t piece __attribute__((vector_size(16), aligned(1), may_alias));
	const piece *first = from, *last = (const piece *)((const uint8_t *)from + len);
	piece *to_first = to, *to_last = (piece *)((uint8_t *)to + len);

	if (len >= 2 * sizeof(piece) && len <= 4 * sizeof(piece)) {
		const piece a = first[0], b = first[1], y = last[-2], z = last[-1];

		to_first[0] = a;
		to_first[1] = b;
		to_last[-2] = y;
		to_last[-1] = z;
	} else {
		__builtin_memcpy(to, from, len);
	}
}

/*
 * Read the client's memory.
 *
 * @retval 0        @p buf holds the data
 * @retval -EAGAIN  the data was requested from the client: repeat the call
 * @retval -EFAULT  DMA fault
 */
static inline int
m82576_dma_get(struct m82576 *m, struct vfu_tlb *tlb, struct m82576_read *read, uint64_t addr,
		void *buf, size_t len)
{
	const void *p = NULL;
	int ret;

	if (__builtin_expect(read->asked == 0, 1))
		p = m82576_dma_ptr(m, tlb, addr, len, VFU_DMA_READ);
	if (__builtin_expect(p != NULL, 1)) {
		m82576_copy(buf, p, len);
		return 0;
	}
	ret = vfu_dma_read(m->server, read->slot, addr, buf, len);
	read->asked = ret == -EAGAIN ? (uint32_t)len : 0;
	return ret;
}

/*
 * Write the client's memory.
 *
 * @return false: DMA fault
 */
static inline bool
m82576_dma_put(struct m82576 *m, struct vfu_tlb *tlb, uint64_t addr, const void *buf, size_t len)
{
	void *p = m82576_dma_ptr(m, tlb, addr, len, VFU_DMA_WRITE);

	if (__builtin_expect(p == NULL, 0))
		return vfu_dma_write(m->server, addr, buf, len) == 0;
	m82576_copy(p, buf, len);
	return true;
}

/*
 * Translate the whole ring for write-backs. The result is NULL if one translation must not serve
 * them all, because the client may change its I/O page table between two of them.
 */
static inline void *
m82576_dma_ring(struct m82576 *m, struct vfu_tlb *tlb, uint64_t base, uint32_t count)
{
	if (__builtin_expect(!vfu_tlb_lasts(tlb), 0))
		return NULL;
	return m82576_dma_ptr(m, tlb, base, (size_t)count * IGB_DESC_SIZE, VFU_DMA_WRITE);
}

/*
 * Translate one descriptor for writing, given the translation of its ring (NULL: there is none).
 * NULL: it has no pointer.
 */
static inline void *
m82576_dma_desc(struct m82576 *m, struct vfu_tlb *tlb, void *ring, uint64_t base, uint32_t index)
{
	size_t off = (size_t)index * IGB_DESC_SIZE;

	if (__builtin_expect(ring == NULL, 0))
		return m82576_dma_ptr(m, tlb, base + off, IGB_DESC_SIZE, VFU_DMA_WRITE);
	return (uint8_t *)ring + off;
}

/*
 * Prefetch a buffer. Buffers reside in the other core's cache, and fetching a line from there takes
 * longer than all other work on a frame; so the device prefetches a buffer some frames ahead. The
 * entry of an I/O page table is also fetched by that; the access itself reads it again.
 */
static inline void
m82576_dma_prefetch(struct m82576 *m, struct vfu_tlb *tlb, uint64_t addr, uint32_t prot)
{
	const char *p = m82576_dma_ptr(m, tlb, addr, 1, prot);

	if (p == NULL)
		return;
	if (prot == VFU_DMA_WRITE)
		__asm__("prefetchw %0" : : "m"(*p)); /* no effect on CPUs without the instruction */
	else
		__builtin_prefetch(p);
}

/*
 * Request the cache lines of descriptors that the device is about to read, and will write back: for
 * writing, so that a line moves once and not twice.
 */
static inline void
m82576_dma_own(struct m82576 *m, struct vfu_tlb *tlb, uint64_t addr, size_t len)
{
	const uint32_t skip = addr % M82576_CACHE_LINE; /* a ring begins with a line */
	const char *p = NULL;
	size_t off;

	if (vfu_tlb_lasts(tlb))
		p = m82576_dma_ptr(m, tlb, addr - skip, len + skip, VFU_DMA_WRITE);
	for (off = 0; p != NULL && off < len + skip; off += M82576_CACHE_LINE)
		__asm__("prefetchw %0" : : "m"(p[off]));
}

static inline void
m82576_gate(struct m82576 *m, uint32_t gate, bool open)
{
	if (open)
		__atomic_fetch_or(&m->gates, gate, __ATOMIC_RELEASE);
	else
		__atomic_fetch_and(&m->gates, ~gate, __ATOMIC_RELEASE);
}

static inline void
m82576_grace_period(struct m82576 *m)
{
	vfu_rcu_wait(m->server);
}

/* m82576_log.c: any thread. Log a line, unless this second already had too many. */
void m82576_log(struct m82576 *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Log the first line of a kind (enum m82576_log_kind) for this client. */
void m82576_log_once(struct m82576 *m, unsigned int kind, const char *fmt, ...)
		__attribute__((format(printf, 3, 4)));
/* Log the thread's last DMA fault. @p fmt describes the loss that it caused. */
void m82576_log_dma(struct m82576 *m, enum m82576_dma_what what, const char *fmt, ...)
		__attribute__((format(printf, 3, 4)));

/* m82576_pci.c: configuration space, and the MSI-X table. Control thread. */
void m82576_pci_init(struct m82576 *m);
void m82576_pci_attached(struct m82576 *m);
int m82576_pci_read(struct m82576 *m, uint64_t off, void *buf, size_t len);
int m82576_pci_write(struct m82576 *m, uint64_t off, const void *buf, size_t len);
int m82576_msix_read(struct m82576 *m, uint64_t off, void *buf, size_t len);
int m82576_msix_write(struct m82576 *m, uint64_t off, const void *buf, size_t len);

/* m82576_reg.c: BAR 0. Control thread. */
uint32_t m82576_reg_read(struct m82576 *m, uint32_t off);
void m82576_reg_write(struct m82576 *m, uint32_t off, uint32_t v);
/* Note that the client is busy setting a port up. */
void m82576_note_busy(struct m82576 *m);
void m82576_reset_mac(struct m82576 *m);
void m82576_reset_all(struct m82576 *m);

/* m82576_nvm.c: control thread. */
void m82576_nvm_init(struct m82576 *m);
uint32_t m82576_eerd_write(struct m82576 *m, uint32_t v);
/* Apply the pins of EECD, which may have changed. Return the pin DO. */
bool m82576_nvm_pins(struct m82576 *m, uint32_t eecd);

/* m82576_phy.c: control thread, but m82576_link_update() and m82576_status_link() any thread. */
void m82576_phy_reset(struct m82576 *m);
uint32_t m82576_mdic_write(struct m82576 *m, uint32_t v);
void m82576_link_update(struct m82576 *m);
uint32_t m82576_status_link(const struct m82576 *m);

/* m82576_queue.c: control thread. */
void m82576_ring_init(struct m82576 *m);
void m82576_ring_reset(struct m82576 *m);
/*
 * Allocate fresh pages for a client that maps them. Return their file, or a negative errno value.
 */
int m82576_ring_map(struct m82576 *m);
void m82576_ring_unmap(struct m82576 *m);
uint32_t m82576_ring_reg_read(struct m82576 *m, struct m82576_ring *r, uint32_t off);
void m82576_ring_reg_write(struct m82576 *m, struct m82576_ring *r, uint32_t off, uint32_t v);
/* Log that the ring is invalid. Called by the polling thread that would use it. */
void m82576_ring_unusable(struct m82576 *m, const struct m82576_ring *r);

/* m82576_loop.c: control thread. */
void m82576_loop_update(struct m82576 *m);

/* m82576_rx.c: only the thread that owns the receiver */
unsigned int m82576_receive(struct m82576 *m, const struct m82576_frame *frames, unsigned int n,
		bool wait);
void m82576_receive_flush(struct m82576 *m);

/* m82576_intr.c: reset, read and write by the control thread; the others by any thread. */
void m82576_intr_reset(struct m82576 *m);
uint32_t m82576_intr_read(struct m82576 *m, uint32_t off);
void m82576_intr_write(struct m82576 *m, uint32_t off, uint32_t v);
void m82576_intr_other(struct m82576 *m, uint32_t causes);
void m82576_intr_queues(struct m82576 *m, uint32_t queues, bool is_tx);
/* Begin or end a flush by a polling thread, during which the number of messages is limited. */
void m82576_intr_flush(bool begins);
void m82576_intr_fire(struct m82576 *m);
/* Return whether a cause asserts the single interrupt (INTx, MSI, or MSI-X vector 0). */
bool m82576_intr_asserted(const struct m82576 *m);
/* Signal INTx again if it is still asserted. Control thread. */
void m82576_intr_unmasked(struct m82576 *m);

/* m82576_stats.c: reset and reads by the control thread, the others by the polling threads. */
void m82576_stats_reset(struct m82576 *m);
uint32_t m82576_stats_read(struct m82576 *m, uint32_t off);
uint32_t m82576_rqdpc_read(struct m82576 *m, unsigned int q);
/*
 * Count the kinds of n good frames that passed the filters, at least one. alike: they have the same
 * length and kind of address. Return their bytes.
 */
uint64_t m82576_stats_rx(struct m82576 *m, const struct m82576_frame *frames, unsigned int n,
		bool alike);
/*
 * Count a burst: the frames that were on the wire, whether good or bad, accepted or not (8.19.44,
 * 8.19.48), the good ones that passed the filters, and those that were delivered.
 */
void m82576_stats_received(struct m82576 *m, const struct m82576_sum *arrived,
		const struct m82576_sum *good, const struct m82576_sum *delivered);
/* Count n transmitted frames; alike: as above. */
void m82576_stats_tx(struct m82576 *m, const struct m82576_frame *frames, unsigned int n,
		bool alike);

/* m82576_tx_offload.c: transmitting thread. */
/* Return the frame that is being gathered. */
static inline uint8_t *
m82576_tx_gathered(const struct m82576_txq *t)
{
	return t->staging + t->at + M82576_HEADROOM;
}
/* Return whether there is room for one more segment of this burst. */
static inline bool
m82576_tx_out_has_room(const struct m82576 *m)
{
	return m->out_used + M82576_HEADROOM + IGB_MAX_FRAME <= M82576_OUT;
}
/* Return whether the current frame uses a context. */
static inline bool
m82576_tx_needs_context(const struct m82576_txq *t)
{
	return !t->is_legacy &&
			(t->cmd & (IGB_TXD_TSE | IGB_TXD_VLE) ||
					t->olinfo & (IGB_TXD_POPTS_IXSM | IGB_TXD_POPTS_TXSM));
}
/* Return whether the current frame goes to the wire as it is. */
static inline bool
m82576_tx_is_plain(const struct m82576_txq *t)
{
	return !t->is_legacy && !m82576_tx_needs_context(t) && t->cmd & IGB_TXD_IFCS &&
			t->len >= M82576_MIN_FRAME && t->len <= IGB_MAX_FRAME - M82576_FCS_LEN;
}
/* Return whether the current frame is cut into segments. */
static inline bool
m82576_tx_is_tso(const struct m82576_txq *t)
{
	return !t->is_legacy && t->cmd & IGB_TXD_TSE;
}
bool m82576_tx_start(struct m82576 *m, const struct m82576_txq *t);
bool m82576_tx_prepare(struct m82576 *m, struct m82576_txq *t, struct m82576_frame *frame);
bool m82576_tx_segment(struct m82576 *m, struct m82576_txq *t, struct m82576_frame *frame);

/* m82576_csum.c: any thread. */
uint32_t m82576_csum_add(const uint8_t *p, size_t len, uint32_t sum);
uint16_t m82576_csum_fold(uint32_t sum);
uint32_t m82576_sctp_crc(const uint8_t *p, size_t len);
uint32_t m82576_fcs(const uint8_t *p, size_t len);

/* EtherTypes, and protocols of IP. */
#define M82576_ETH_IPV4 0x0800
#define M82576_ETH_IPV6 0x86DD
#define M82576_IP_TCP   6
#define M82576_IP_UDP   17
#define M82576_IP_SCTP  132

static inline uint16_t
m82576_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* m82576_parse.c: headers that the device recognises in a frame. */
struct m82576_pkt {
	/* From here to src: 0 if the frame does not have it. */
	uint32_t len;      /* of the whole frame, in bytes */
	uint16_t vlan_off; /* of the tag that is filtered on and stripped */
	uint16_t tci;
	bool tagged, outer_tagged;
	bool cut;      /* headers may continue behind the bytes that are available */
	uint8_t ptype; /* IGB_RXD_PTYPE_* */
	uint8_t proto; /* layer-4 protocol; 0: none */
	bool v4, v6, frag, first_frag, v6_ext;
	uint16_t l3, l4, payload; /* offsets in bytes; 0: none */
	uint32_t l3_end;          /* offset of the datagram's end, without padding */
	const uint8_t *src, *dst; /* if v4 or v6: addresses to hash */
	/* Other addresses to hash, which IPv6 extension headers may give. */
	const uint8_t *src_ex, *dst_ex;
};
/*
 * Parse the headers of a frame of len bytes, of which "avail" are at data: all, or at least
 * M82576_HEADER.
 */
void m82576_parse(const struct m82576 *m, const uint8_t *data, uint32_t avail, uint32_t len,
		struct m82576_pkt *pkt);

/* m82576_rx_offload.c: receiving thread. rxcsum is RXCSUM; all of the frame is at f. */
uint32_t m82576_rx_verify(uint32_t rxcsum, const uint8_t *f, const struct m82576_pkt *pkt);
uint32_t m82576_rx_fragment(uint32_t rxcsum, const uint8_t *f, const struct m82576_pkt *pkt,
		uint32_t *st);

/*
 * The part of a frame that goes into the header buffer, and its report in the write-back (7.1.10,
 * table 7-19).
 */
struct m82576_split {
	uint32_t bytes; /* in the header buffer */
	uint32_t len;   /* HDR_LEN */
	bool sph, hbo;  /* header recognised; header longer than the header buffer */
};
/* Split a frame for a queue that splits headers. len: bytes without the stripped ones. */
struct m82576_split m82576_rx_split(const struct m82576_rxq *x, const struct m82576_pkt *pkt,
		uint32_t stripped, uint32_t len);

/* m82576_rss.c: m82576_rss_key() control thread, m82576_rss_hash() receiving thread. */
void m82576_rss_key(struct m82576 *m);
uint32_t m82576_rss_hash(const struct m82576 *m, const uint8_t *data, const struct m82576_pkt *pkt,
		uint32_t *type);

#endif /* M82576_PRIV_H */
