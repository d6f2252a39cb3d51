/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The controller of lib/igb_model, opposite a hostile driver that programs registers and
 * descriptors.
 *
 * Functions of this file replace the vfio-user server, so that one thread plays the driver, the
 * control thread and the polling thread in turns, and a run repeats exactly. The clock advances
 * only by steps of the program.
 *
 * The input is one byte of options (queue pages, single accesses as behind an I/O page table,
 * address bits, speed), then steps: a byte that selects one of enum step, and its operands. See
 * run_step(). Addresses that the program puts into descriptors and rings mostly point into the
 * client's memory, because fold() moves them there.
 *
 *    run_step()  --- register, configuration, MSI-X access ---> srv.ops -> struct m82576
 *        |                                                                      |
 *      poke()                                        vfu_dma_ptr(), vfu_dma_read(), vfu_dma_write()
 *        v                                                                      v
 *    mem[PAGES * PAGE]   perms[]: what the device may do with a page    note_opened(): unpoisoned
 *        ^                                                                      |
 *        `---- AddressSanitizer: every other byte is poisoned    quiesce(): poisoned again
 *
 * Memory that changes under the device: STEP_CHANGE arms a change that happens right before the
 * n-th load from the client's memory. The compiler reports each load (-fsanitize-coverage=
 * trace-loads), so a value that the model reads twice may differ the second time.
 *
 * Beyond the sanitizers, the target watches that
 * - the model accesses only those bytes of the client's memory that it has translated since its
 *   last quiescent state (all other bytes are poisoned),
 * - the model writes no page that the device may only read or may not access (not watched once
 *   an input has armed a change, because the change itself writes),
 * - each frame that the model hands out has at least 14 bytes and at most 16384, all of them
 *   readable.
 */

#include <errno.h>
#include <linux/vfio.h>
#include <sanitizer/asan_interface.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"
#include "fuzz_loads.h"
#include "m82576.h"
#include "m82576_priv.h"
#include "vfu_rcu.h"

#define MEM_BASE   0x4000000000ull
#define PAGE       4096u
#define PAGES      64u
#define MEM_SIZE   (PAGES * PAGE)
#define DESCS      16u /* of each ring that STEP_SANE sets up */
#define QUEUES     4u
#define RX_RING(q) (0x100u * (q))
#define TX_RING(q) (0x1000u + 0x100u * (q))
#define BUFFERS    0x4000u
#define STEPS      400u
#define FRAMES     40u /* upper limit of one step */

enum perm { PERM_NONE, PERM_READ, PERM_WRITE, PERM_RW, PERM_MASK = 3, PERM_MESSAGE = 4 };

/* The server, as far as the model sees it. */
struct vfu_server {
	struct vfu_server_desc desc;
	struct vfu_server_ops ops;
	void *opaque;
	bool wired[VFU_SRV_IRQS][32], masked[VFU_SRV_IRQS][32], pending[VFU_SRV_IRQS][32];
	/*
	 * Reads of pages that need a message: the first call requests the data, the next one
	 * returns it.
	 */
	struct {
		uint64_t iova;
		size_t len; /* 0: the slot is unused */
	} reads[VFU_DMA_SLOTS];
	uint64_t faults;
	bool paged, poisoned, gone, busy, by_message;
};

static struct vfu_server srv;
static struct vfu_dma_fault last_fault;
static struct m82576 *model, *fresh; /* fresh: the model's state right after its creation */
static uint8_t *mem;
static uint8_t perms[PAGES];
static uint8_t read_only[PAGES][PAGE]; /* contents of each page when its permission was set */
static uint64_t clock_ns;

/* The translated ranges, which quiesce() poisons again. */
static struct {
	uint8_t *at;
	size_t len;
} opened[4096];
static unsigned int nr_opened;

int fuzz_clock_gettime(clockid_t clock, struct timespec *ts);
int
fuzz_clock_gettime(clockid_t clock, struct timespec *ts)
{
	ts->tv_sec = (time_t)(clock_ns / 1000000000);
	ts->tv_nsec = (long)(clock_ns % 1000000000);
	return 0;
}

/* In place of m82576_clock.c. */
uint64_t
m82576_about_now(void)
{
	return clock_ns;
}

static bool
is_shared(const uint8_t *at, size_t width)
{
	return at >= mem && at + width <= mem + MEM_SIZE;
}

/* Report the polling thread's quiescent state: every translated pointer becomes invalid. */
static void
quiesce(void)
{
	if (nr_opened == sizeof(opened) / sizeof(opened[0]))
		ASAN_POISON_MEMORY_REGION(mem, MEM_SIZE);
	else
		for (unsigned int i = 0; i < nr_opened; i++)
			ASAN_POISON_MEMORY_REGION(opened[i].at, opened[i].len);
	nr_opened = 0;
}

/* Permit access to these bytes until the next quiescent state. */
static void
note_opened(uint8_t *p, size_t len)
{
	ASAN_UNPOISON_MEMORY_REGION(p, len);
	if (nr_opened < sizeof(opened) / sizeof(opened[0])) {
		opened[nr_opened].at = p;
		opened[nr_opened++].len = len;
	}
}

/* Store on behalf of the program. */
static void
poke(uint32_t at, const void *buf, uint32_t len)
{
	at %= MEM_SIZE;
	if (len > MEM_SIZE - at)
		len = MEM_SIZE - at;
	ASAN_UNPOISON_MEMORY_REGION(mem + at, len);
	memcpy(mem + at, buf, len);
	ASAN_POISON_MEMORY_REGION(mem + at / 8 * 8, (len + at % 8 + 7) / 8 * 8);
	for (uint32_t i = 0; i < len; i++)
		read_only[(at + i) / PAGE][(at + i) % PAGE] = ((const uint8_t *)buf)[i];
}

static void
check_page(unsigned int page)
{
	if ((perms[page] & PERM_MASK) == PERM_RW || (perms[page] & PERM_MASK) == PERM_WRITE)
		return;
	ASAN_UNPOISON_MEMORY_REGION(mem + page * PAGE, PAGE);
	MUST(change != 0 || memcmp(mem + page * PAGE, read_only[page], PAGE) == 0);
	ASAN_POISON_MEMORY_REGION(mem + page * PAGE, PAGE);
}

static void
set_perm(unsigned int page, uint8_t perm)
{
	check_page(page);
	perms[page] = perm;
	srv.by_message |= (perm & PERM_MESSAGE) != 0;
	ASAN_UNPOISON_MEMORY_REGION(mem + page * PAGE, PAGE);
	memcpy(read_only[page], mem + page * PAGE, PAGE);
	ASAN_POISON_MEMORY_REGION(mem + page * PAGE, PAGE);
}

/* The functions of vfu_server.h. */

int
vfu_server_start(const char *path, const struct vfu_server_desc *desc,
		const struct vfu_server_ops *ops, void *opaque, struct vfu_server **server,
		char *err)
{
	memset(&srv, 0, sizeof(srv));
	srv.desc = *desc;
	srv.ops = *ops;
	srv.opaque = opaque;
	*server = &srv;
	return 0;
}

void
vfu_server_stop(struct vfu_server *server)
{
}

/**
 * Check that all pages of a range have a permission. The pages are adjacent in memory as well.
 *
 * @param direct   refuse pages that need a message
 *
 * @return false if one page lacks the permission; last_fault then has the reason
 */
static bool
permitted(uint64_t iova, size_t len, uint32_t prot, bool direct)
{
	last_fault.iova = iova;
	last_fault.prot = prot;
	last_fault.why = VFU_DMA_NOT_MAPPED;
	if (iova < MEM_BASE || iova - MEM_BASE >= MEM_SIZE || len > MEM_SIZE - (iova - MEM_BASE))
		return false;
	for (uint64_t page = (iova - MEM_BASE) / PAGE; page <= (iova - MEM_BASE + len - 1) / PAGE;
			page++) {
		last_fault.why = (perms[page] & PERM_MASK) == 0 ? VFU_DMA_NOT_MAPPED :
								  VFU_DMA_NOT_PERMITTED;
		if ((perms[page] & prot) != prot || (direct && perms[page] & PERM_MESSAGE))
			return false;
	}
	return true;
}

void *
vfu_dma_ptr(struct vfu_server *server, uint64_t iova, size_t len, uint32_t prot)
{
	uint8_t *p;

	if (len == 0 || !permitted(iova, len, prot, true))
		return NULL;
	p = mem + (iova - MEM_BASE);
	note_opened(p, len);
	return p;
}

/* A TLB without ranges: permissions change at any time. */
void
vfu_tlb_begin(struct vfu_tlb *tlb, struct vfu_server *server)
{
	tlb->server = server;
	tlb->epoch = !server->paged;
}

void *
vfu_tlb_miss(struct vfu_tlb *tlb, uint64_t iova, size_t len, uint32_t prot)
{
	if (len - 1 > tlb->server->desc.addr_mask - iova)
		return NULL;
	return vfu_dma_ptr(tlb->server, iova, len, prot);
}

/* Copy one piece that does not wrap around the highest address. */
static int
dma_piece(struct vfu_server *server, uint64_t iova, void *buf, size_t len, uint32_t prot)
{
	uint8_t *p;

	if (!permitted(iova, len, prot, false)) {
		server->faults++;
		return -EFAULT;
	}
	p = mem + (iova - MEM_BASE);
	note_opened(p, len);
	if (prot == VFU_DMA_READ)
		memcpy(buf, p, len);
	else
		memcpy(p, buf, len);
	return 0;
}

static int
dma_copy(struct vfu_server *server, uint64_t iova, void *buf, size_t len, uint32_t prot)
{
	const uint64_t mask = server->desc.addr_mask;
	int ret = 0;
	size_t n;

	for (iova &= mask; ret == 0 && len != 0; iova = 0, len -= n) {
		n = len - 1 > mask - iova ? mask - iova + 1 : len;
		ret = dma_piece(server, iova, buf, n, prot);
		buf = (uint8_t *)buf + n;
	}
	return ret;
}

int
vfu_dma_read(struct vfu_server *server, unsigned int slot, uint64_t iova, void *buf, size_t len)
{
	MUST(slot < VFU_DMA_SLOTS);
	if (server->reads[slot].len != 0) {
		MUST(server->reads[slot].iova == iova && server->reads[slot].len == len);
		server->reads[slot].len = 0;
	} else if (len != 0 && permitted(iova & server->desc.addr_mask, len, VFU_DMA_READ, false) &&
			!permitted(iova & server->desc.addr_mask, len, VFU_DMA_READ, true)) {
		server->reads[slot].iova = iova;
		server->reads[slot].len = len;
		return -EAGAIN;
	}
	return dma_copy(server, iova, buf, len, VFU_DMA_READ);
}

void
vfu_dma_cancel(struct vfu_server *server, unsigned int slot)
{
	MUST(slot < VFU_DMA_SLOTS);
	server->reads[slot].len = 0;
}

int
vfu_dma_write(struct vfu_server *server, uint64_t iova, const void *buf, size_t len)
{
	return dma_copy(server, iova, (void *)(uintptr_t)buf, len, VFU_DMA_WRITE);
}

bool
vfu_dma_busy(struct vfu_server *server)
{
	return server->busy;
}

bool
vfu_dma_by_message(struct vfu_server *server)
{
	return server->by_message;
}

const struct vfu_dma_fault *
vfu_dma_last_fault(void)
{
	return &last_fault;
}

const char *
vfu_dma_why_text(const struct vfu_dma_fault *fault)
{
	return "fuzzed";
}

bool
vfu_server_dma_poisoned(const struct vfu_server *server)
{
	return server->poisoned;
}

bool
vfu_server_irq(struct vfu_server *server, unsigned int irq_index, unsigned int vector)
{
	MUST(irq_index < VFU_SRV_IRQS && vector < server->desc.irq_counts[irq_index]);
	if (!server->wired[irq_index][vector])
		return false;
	if (server->masked[irq_index][vector])
		server->pending[irq_index][vector] = irq_index != VFIO_PCI_INTX_IRQ_INDEX;
	else if (irq_index == VFIO_PCI_INTX_IRQ_INDEX)
		server->masked[irq_index][vector] = true;
	return true;
}

bool
vfu_server_irq_wired(const struct vfu_server *server, unsigned int irq_index, unsigned int vector)
{
	MUST(irq_index < VFU_SRV_IRQS && vector < server->desc.irq_counts[irq_index]);
	return server->wired[irq_index][vector];
}

void
vfu_server_irq_mask(struct vfu_server *server, unsigned int irq_index, unsigned int vector,
		bool masked)
{
	MUST(irq_index < VFU_SRV_IRQS && vector < server->desc.irq_counts[irq_index]);
	server->masked[irq_index][vector] = masked;
}

bool
vfu_server_irq_pending(const struct vfu_server *server, unsigned int irq_index, unsigned int vector)
{
	MUST(irq_index < VFU_SRV_IRQS && vector < server->desc.irq_counts[irq_index]);
	return server->pending[irq_index][vector];
}

/* The control thread waits for the polling thread, which is the same thread here. */
void
vfu_rcu_wait(const struct vfu_server *server)
{
	quiesce();
}

pid_t
vfu_server_peer(const struct vfu_server *server)
{
	return 0;
}

bool
vfu_server_peer_gone(struct vfu_server *server)
{
	return server->gone;
}

void
vfu_server_get_stats(const struct vfu_server *server, struct vfu_server_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	stats->dma_faults = server->faults;
}

/* The program. */

/* Access a region as the server does: refuse an access that exceeds the region. */
static void
access_region(unsigned int region, uint64_t off, void *buf, size_t len, bool write)
{
	if (region >= VFU_SRV_REGIONS || off > srv.desc.regions[region].size ||
			len > srv.desc.regions[region].size - off || len == 0)
		return;
	if (write)
		srv.ops.region_write(srv.opaque, region, off, buf, len);
	else
		srv.ops.region_read(srv.opaque, region, off, buf, len);
}

static void
wr(uint32_t off, uint32_t v)
{
	access_region(0, off, &v, 4, true);
}

static uint32_t
rd(uint32_t off)
{
	uint32_t v = 0;

	access_region(0, off, &v, 4, false);
	return v;
}

/* Move an address into the client's memory, unless its upper four bits are all set. */
static uint64_t
fold(uint64_t addr)
{
	return addr >> 60 == 0xF ? addr : MEM_BASE + addr % MEM_SIZE;
}

static void
attach(bool queue_pages)
{
	if (queue_pages)
		srv.ops.queue_pages(srv.opaque);
	srv.ops.attached(srv.opaque);
	access_region(VFIO_PCI_CONFIG_REGION_INDEX, 4, &(uint16_t){ 6 }, 2, true);
}

/* Set up queues and filters as a correct driver does, so that later steps reach more code. */
static void
sane(uint8_t how, uint32_t rctl, uint32_t srrctl)
{
	for (uint32_t q = 0; q < QUEUES; q++) {
		for (uint32_t i = 0; i < DESCS; i++) {
			union igb_rx_desc d = {
				.read.pkt_addr = MEM_BASE + BUFFERS + (q * DESCS + i) * 2048,
			};

			poke(RX_RING(q) + i * 16, &d, sizeof(d));
		}
		wr(IGB_RDBAL(q), (uint32_t)MEM_BASE + RX_RING(q));
		wr(IGB_RDBAH(q), MEM_BASE >> 32);
		wr(IGB_RDLEN(q), DESCS * 16);
		wr(IGB_SRRCTL(q), how & 1 ? srrctl : IGB_SRRCTL_DESCTYPE_ADV_ONE | 2);
		wr(IGB_RXDCTL(q), IGB_DCTL_ENABLE | 1u << IGB_DCTL_WTHRESH_SHIFT);
		wr(IGB_RDT(q), DESCS - 1);
		wr(IGB_TDBAL(q), (uint32_t)MEM_BASE + TX_RING(q));
		wr(IGB_TDBAH(q), MEM_BASE >> 32);
		wr(IGB_TDLEN(q), DESCS * 16);
		wr(IGB_TXDCTL(q), IGB_DCTL_ENABLE);
	}
	for (uint32_t i = 0; i < IGB_NUM_RETA / 4; i++)
		wr(IGB_RETA(i), 0x03020100);
	if (how & 2) {
		wr(IGB_RSSRK(3), 0x12345678);
		wr(IGB_MRQC, IGB_MRQC_ENABLE_RSS | 0xFFFF0000u);
	}
	if (how & 4) {
		wr(IGB_GPIE, IGB_GPIE_MULTIPLE_MSIX);
		access_region(VFIO_PCI_CONFIG_REGION_INDEX, 0x70 + 2, &(uint16_t){ 0x8000 }, 2,
				true);
	}
	wr(IGB_IVAR(0), 0x80808080);
	wr(IGB_EIMS, 0x3FF);
	wr(IGB_IMS, UINT32_MAX);
	wr(IGB_RXCSUM, how & 8 ? 0x3B00 : 0);
	wr(IGB_CTRL, IGB_CTRL_SLU | (how & 16 ? IGB_CTRL_VME : 0));
	wr(IGB_TCTL, IGB_TCTL_EN | IGB_TCTL_PSP);
	wr(IGB_RCTL,
			IGB_RCTL_RXEN |
					(how & 32 ? rctl :
						    IGB_RCTL_UPE | IGB_RCTL_MPE | IGB_RCTL_BAM));
}

/* Registers whose access has an effect. */
/* clang-format off */
static const uint32_t known[] = {
	IGB_CTRL, IGB_STATUS, IGB_EECD, IGB_EERD, IGB_CTRL_EXT, IGB_MDIC, IGB_VET, IGB_EEMNGCTL,
	IGB_ICR, IGB_ICS, IGB_IMS, IGB_IMC, IGB_IAM, IGB_GPIE, IGB_EICS, IGB_EIMS, IGB_EIMC,
	IGB_EIAC, IGB_EIAM, IGB_EICR, IGB_EITR(0), IGB_IVAR(0), IGB_IVAR_MISC, IGB_RCTL, IGB_RXCSUM,
	IGB_RLPML, IGB_RFCTL, IGB_TCTL, IGB_DTXCTL, IGB_DTXTCPFLGL, IGB_DTXTCPFLGH, IGB_PSRTYPE(0),
	IGB_MTA(0), IGB_RAL(0), IGB_RAH(0), IGB_RAL(1), IGB_RAH(1), IGB_VFTA(0), IGB_MRQC,
	IGB_VT_CTL, IGB_RETA(0), IGB_RSSRK(0), IGB_SWSM, IGB_FWSM, IGB_SW_FW_SYNC, IGB_GORCL,
	IGB_GORCH, IGB_TORL, IGB_GPRC, IGB_RNBC, IGB_MPC, IGB_CTRL_DUP, IGB_PBACL, IGB_FLA,
};
/* clang-format on */

/*
 * Receive a nearly valid frame: the program selects its headers and its length, and changes
 * bytes.
 */
static void
receive_frame(struct input *in)
{
	static uint8_t f[20000];
	uint8_t kind = in_uint8(in), patches = in_uint8(in);
	uint32_t len = in_uint16(in) % 16400, at = 12;
	struct m82576_frame frame = { .data = f, .len = len };

	memset(f, 0, 128);
	memcpy(f, "\x02\x11\x22\x33\x44\x55\x02\xAA\0\0\0\1", 12);
	if (kind & 1) { /* a VLAN tag */
		memcpy(f + at, "\x81\0\0\7", 4);
		at += 4;
	}
	if (kind & 2) {
		memcpy(f + at, "\x86\xDD\x60", 3);
		f[at + 2 + 4] = (uint8_t)((len - at - 42) >> 8);
		f[at + 2 + 5] = (uint8_t)(len - at - 42);
		f[at + 2 + 6] = (uint8_t[]){ 6, 17, 132, 0, 43, 44, 60, 59 }[kind >> 3 & 7];
		at += 42;
	} else {
		memcpy(f + at, "\x08\0\x45", 3);
		f[at + 2 + 2] = (uint8_t)((len - at - 2) >> 8);
		f[at + 2 + 3] = (uint8_t)(len - at - 2);
		f[at + 2 + 9] = (uint8_t[]){ 6, 17, 132, 1, 41, 4, 47, 0 }[kind >> 3 & 7];
		at += 22;
	}
	f[at + 12] = 0x50;
	if (kind & 4)
		frame.flags = M82576_FRAME_BAD_FCS;
	for (uint8_t i = patches % 8; i > 0; i--) {
		uint8_t where = in_uint8(in) % 128;

		f[where] = in_uint8(in);
	}
	m82576_rx(model, &frame, 1, kind >> 6 & 1);
	if (!(kind & 0x80))
		m82576_rx_flush(model);
	quiesce();
}

static void
look_at(const struct m82576_frame *f)
{
	MUST(f->len >= 14 && f->len <= 16384);
#ifdef FUZZ_ASAN
	MUST(__asan_region_is_poisoned((void *)(uintptr_t)f->data,
			     f->rest != NULL ? M82576_HEADER : f->len) == NULL);
	MUST(f->rest == NULL ||
			__asan_region_is_poisoned((void *)(uintptr_t)f->rest,
					f->len - M82576_HEADER) == NULL);
#endif
}

static void
transmit_frames(unsigned int max, bool flush)
{
	struct m82576_frame f[8];
	unsigned int n;

	for (; max > 0; max -= n) {
		n = m82576_tx(model, f, max < 8 ? max : 8, 8192);
		if (n == 0)
			break;
		for (unsigned int i = 0; i < n; i++)
			look_at(&f[i]);
		if (model->tx_rest_allowed && !(f[0].flags & M82576_FRAME_LOOPED) &&
				m82576_rx(model, f, n, true) < n)
			m82576_tx_gather(model, f, n);
	}
	if (flush)
		m82576_tx_flush(model);
	quiesce();
}

enum step {
	STEP_TX,         /* u8: how many, and whether to flush */
	STEP_RX,         /* see receive_frame() */
	STEP_TX_DESC,    /* u8 queue and slot, 16 bytes; the address is folded */
	STEP_TX_CONTEXT, /* u8 queue and slot, 16 bytes, made a context */
	STEP_RX_DESC,    /* u8 queue and slot, 2 addresses, folded */
	STEP_TAIL,       /* u8 queue and direction, u8 value (255: u16 follows) */
	STEP_KNOWN,      /* u8 register of known[], u32 */
	STEP_QUEUE_REG,  /* u8 queue and direction, u8 register, u32 */
	STEP_ANY_REG,    /* u16 register, u32 */
	STEP_READ,       /* u16 register */
	STEP_FLIP,       /* u8 register of known[], u8 bit */
	STEP_SANE,       /* u8 options, u32 RCTL, u32 SRRCTL */
	STEP_CONFIG,     /* u8 offset, u8 length, u32 */
	STEP_MSIX,       /* u16 offset, u32 */
	STEP_IO,         /* u8 offset, u32 */
	STEP_REGION,     /* u8 region and direction, u32 offset, u8 length, bytes */
	STEP_POKE,       /* u32 offset, u8 length, bytes */
	STEP_CHANGE,     /* u8 loads, u64 bytes to xor */
	STEP_PERM,       /* u8 page, u8 permission */
	STEP_SCATTER,    /* u8: permission of every page, by the page's number modulo 3 */
	STEP_RESET,      /* u8: DEVICE_RESET, CTRL.RST, or another client */
	STEP_LINK,       /* u8: the link, the partner's abilities, a paused transmitter */
	STEP_IRQ,        /* u8 index and state, u8 vector */
	STEP_ASK,        /* u8: calls every query; also whether writes wait for the client */
	STEP_TIME,       /* u16 microseconds */
	STEP_MDIC,       /* u8 PHY register, u16 data, read or write */
	STEP_SPI,        /* u8 edges, bytes: the EEPROM's pins */
	NR_STEPS
};

/* Drive the pins of the EEPROM. */
static void
drive_spi(struct input *in)
{
	uint8_t a, b;

	wr(IGB_EECD, rd(IGB_EECD) | IGB_EECD_REQ);
	for (a = in_uint8(in) % 32; a > 0; a--) {
		b = in_uint8(in);
		wr(IGB_EECD, IGB_EECD_REQ | (b & 0x80 ? 0 : IGB_EECD_CS)); /* selects it */
		for (unsigned int bit = 0; bit < 8; bit++) {
			uint32_t pins = IGB_EECD_REQ | IGB_EECD_CS |
					(b << bit & 0x80 ? IGB_EECD_DI : 0);

			wr(IGB_EECD, pins);
			wr(IGB_EECD, pins | IGB_EECD_SK);
			rd(IGB_EECD);
		}
	}
}

/* Write a descriptor into a ring. The operands are at enum step. */
static void
descriptor_step(struct input *in, enum step step)
{
	union igb_tx_desc txd;
	union igb_rx_desc rxd;
	uint8_t a;

	switch (step) {
	case STEP_TX_DESC:
	case STEP_TX_CONTEXT:
		a = in_uint8(in);
		in_bytes(in, &txd, sizeof(txd));
		if (step == STEP_TX_CONTEXT) {
			txd.ctx.type_tucmd &= ~(uint32_t)IGB_TXD_DTYP_MASK;
			txd.ctx.type_tucmd |= IGB_TXD_DTYP_CTXT | IGB_TXD_DEXT;
			txd.ctx.mss_l4len_idx &= ~0x70u | (a & 1) << 4;
		} else {
			txd.data.addr = fold(txd.data.addr);
		}
		poke(TX_RING(a % QUEUES) + (a / QUEUES % DESCS) * 16, &txd, sizeof(txd));
		break;
	case STEP_RX_DESC:
		a = in_uint8(in);
		rxd.read.pkt_addr = fold(in_uint64(in));
		rxd.read.hdr_addr = fold(in_uint64(in));
		poke(RX_RING(a % QUEUES) + (a / QUEUES % DESCS) * 16, &rxd, sizeof(rxd));
		break;
	default:
		break;
	}
}

/* Access a register. The operands are at enum step. */
static void
register_step(struct input *in, enum step step)
{
	uint32_t off, v;
	uint8_t a, b;

	switch (step) {
	case STEP_TAIL:
		a = in_uint8(in);
		b = in_uint8(in);
		v = b == 255 ? in_uint16(in) : b;
		off = (a & 1 ? IGB_TXQ_BASE : IGB_RXQ_BASE) + (a >> 1 & 15) * IGB_QUEUE_STRIDE;
		if (model->pages[a & 1] != NULL)
			*(uint32_t *)(model->pages[a & 1] + off % PAGE +
					(a & 0x80 ? a >> 2 & 0x3c : IGB_Q_TAIL)) = (uint32_t)v;
		else
			wr(off + IGB_Q_TAIL, (uint32_t)v);
		break;
	case STEP_KNOWN:
		a = in_uint8(in);
		wr(known[a % (sizeof(known) / sizeof(known[0]))], in_uint32(in));
		break;
	case STEP_QUEUE_REG:
		a = in_uint8(in);
		b = in_uint8(in);
		off = a & 0x80 ? (a & 1 ? IGB_TXQ_ALIAS_BASE : IGB_RXQ_ALIAS_BASE) +
						(a >> 1 & 3) * IGB_QUEUE_ALIAS_STRIDE :
				 (a & 1 ? IGB_TXQ_BASE : IGB_RXQ_BASE) +
						(a >> 1 & 15) * IGB_QUEUE_STRIDE;
		wr(off + b % 16 * 4, in_uint32(in));
		break;
	case STEP_ANY_REG:
		off = in_uint16(in) * 4u;
		wr(off, in_uint32(in));
		break;
	case STEP_READ:
		rd(in_uint16(in) * 4u);
		break;
	case STEP_FLIP:
		off = known[in_uint8(in) % (sizeof(known) / sizeof(known[0]))];
		wr(off, rd(off) ^ 1u << in_uint8(in) % 32);
		break;
	case STEP_SANE:
		a = in_uint8(in);
		off = in_uint32(in);
		sane(a, off, in_uint32(in));
		break;
	case STEP_MDIC:
		a = in_uint8(in);
		wr(IGB_MDIC,
				in_uint16(in) | (a & 0x1fu) << IGB_MDIC_REG_SHIFT |
						(a & 0x80 ? 0u : IGB_PHY_ADDR)
								<< IGB_MDIC_PHY_SHIFT |
						(a & 0x40 ? IGB_MDIC_OP_READ : IGB_MDIC_OP_WRITE));
		break;
	default:
		break;
	}
}

/* Access a region of the device, or memory of the client. The operands are at enum step. */
static void
region_step(struct input *in, enum step step)
{
	uint8_t a, b, bytes[256];
	uint32_t off;
	uint64_t v;

	switch (step) {
	case STEP_CONFIG:
		a = in_uint8(in);
		b = in_uint8(in);
		v = in_uint32(in);
		access_region(VFIO_PCI_CONFIG_REGION_INDEX, a, &v, 1u << b % 3, !(b & 0x80));
		break;
	case STEP_MSIX:
		off = in_uint16(in);
		v = in_uint32(in);
		access_region(VFIO_PCI_BAR3_REGION_INDEX, off % IGB_BAR3_SIZE & ~3u, &v, 4,
				!(off & 0x8000));
		break;
	case STEP_IO:
		a = in_uint8(in);
		v = in_uint32(in);
		access_region(VFIO_PCI_BAR2_REGION_INDEX, a & 4, &v, 4, !(a & 0x80));
		break;
	case STEP_REGION:
		a = in_uint8(in);
		off = in_uint32(in);
		b = in_uint8(in);
		in_bytes(in, bytes, b % 64);
		access_region(a % VFU_SRV_REGIONS, off & 0x1FFFF, bytes, b % 64, a & 0x80);
		break;
	case STEP_POKE:
		off = in_uint32(in);
		b = in_uint8(in);
		poke(off, bytes, (uint32_t)in_bytes(in, bytes, b));
		break;
	default:
		break;
	}
}

/* Change the client, its memory, the link or the time. The operands are at enum step. */
static void
client_step(struct input *in, enum step step)
{
	struct m82576_stats stats;
	uint32_t index;
	uint8_t a, b;

	switch (step) {
	case STEP_CHANGE:
		loads_left = in_uint8(in);
		change = in_uint64(in);
		break;
	case STEP_PERM:
		a = in_uint8(in);
		set_perm(a % PAGES, in_uint8(in));
		break;
	case STEP_SCATTER:
		a = in_uint8(in);
		for (unsigned int i = 0; i < PAGES; i++)
			set_perm(i, a >> i % 3 * 2 & PERM_MASK);
		break;
	case STEP_RESET:
		a = in_uint8(in);
		if (a % 3 == 0) {
			srv.ops.reset(srv.opaque);
		} else if (a % 3 == 1) {
			wr(IGB_CTRL, IGB_CTRL_RST);
		} else {
			srv.ops.detached(srv.opaque, "fuzzed");
			memset(srv.wired, 0, sizeof(srv.wired));
			attach(a & 0x80);
		}
		break;
	case STEP_LINK:
		a = in_uint8(in);
		m82576_set_link(model, a & 1);
		m82576_set_partner(model, a >> 1 & M82576_ABLE_ALL);
		m82576_tx_pause(model, a & 0x80);
		break;
	case STEP_IRQ:
		a = in_uint8(in);
		b = in_uint8(in);
		index = a % 3; /* INTx, MSI, MSI-X */
		b %= srv.desc.irq_counts[index];
		srv.wired[index][b] = a & 8;
		srv.masked[index][b] = a & 16;
		if (!(a & 16))
			srv.pending[index][b] = false;
		srv.ops.irqs_changed(srv.opaque, index);
		break;
	case STEP_ASK:
		a = in_uint8(in);
		srv.gone = a == 0xEE;
		srv.busy = a & 1;
		m82576_check_client(model);
		srv.gone = false;
		m82576_get_stats(model, &stats);
		m82576_listening(model);
		m82576_tx_pending(model);
		m82576_carrier(model);
		m82576_ability(model);
		m82576_speed(model);
		m82576_busy_at(model);
		srv.ops.refused(srv.opaque, "fuzzed");
		break;
	case STEP_TIME:
		clock_ns += in_uint16(in) * 1000ull;
		break;
	default:
		break;
	}
}

static void
run_step(struct input *in)
{
	const enum step step = in_uint8(in) % NR_STEPS;
	uint8_t a;

	switch (step) {
	case STEP_TX:
		a = in_uint8(in);
		if (a == 0x7F)
			m82576_tx_allow_rest(model);
		transmit_frames(a % FRAMES, !(a & 0x80));
		break;
	case STEP_RX:
		receive_frame(in);
		break;
	case STEP_TX_DESC:
	case STEP_TX_CONTEXT:
	case STEP_RX_DESC:
		descriptor_step(in, step);
		break;
	case STEP_TAIL:
	case STEP_KNOWN:
	case STEP_QUEUE_REG:
	case STEP_ANY_REG:
	case STEP_READ:
	case STEP_FLIP:
	case STEP_SANE:
	case STEP_MDIC:
		register_step(in, step);
		break;
	case STEP_CONFIG:
	case STEP_MSIX:
	case STEP_IO:
	case STEP_REGION:
	case STEP_POKE:
		region_step(in, step);
		break;
	case STEP_CHANGE:
	case STEP_PERM:
	case STEP_SCATTER:
	case STEP_RESET:
	case STEP_LINK:
	case STEP_IRQ:
	case STEP_ASK:
	case STEP_TIME:
		client_step(in, step);
		break;
	case STEP_SPI:
		drive_spi(in);
		break;
	case NR_STEPS:
		break;
	}
	quiesce();
}

static void
no_log(const char *name, const char *line)
{
	MUST(strchr(line, '\n') == NULL);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const struct m82576_params params = {
		.name = "fuzz",
		.socket = "/nowhere",
		.mac = { 0x02, 0x11, 0x22, 0x33, 0x44, 0x55 },
		.log = no_log,
	};
	char err[VFU_ERR_LEN];

	mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(mem != MAP_FAILED);
	MUST(m82576_create(&params, &model, err) == 0);
	fresh = malloc(sizeof(*fresh));
	MUST(fresh != NULL);
	*fresh = *model;
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned int bits[] = { 64, 63, 40, 39, 32, 24 };
	struct input in = { data, size };
	uint8_t how = in_uint8(&in);

	clock_ns = 1000000000;
	loads_left = 0;
	change = 0;
	ASAN_UNPOISON_MEMORY_REGION(mem, MEM_SIZE);
	memset(mem, 0, MEM_SIZE);
	memset(read_only, 0, sizeof(read_only));
	memset(perms, PERM_RW, sizeof(perms));
	ASAN_POISON_MEMORY_REGION(mem, MEM_SIZE);
	nr_opened = 0;

	/* The state that m82576_create() leaves, without the cost of its memory. */
	*model = *fresh;
	model->speed_mbps = how & 64 ? 10000 : 1000;
	model->addr_bits = bits[(how >> 3 & 7) % 6];
	model->addr_mask = UINT64_MAX >> (64 - model->addr_bits);
	memset(&srv.wired, 0,
			offsetof(struct vfu_server, faults) - offsetof(struct vfu_server, wired));
	srv.paged = how & 2;
	srv.busy = srv.by_message = false;
	srv.desc.addr_mask = model->addr_mask;
	attach(how & 1);
	for (unsigned int i = 0; i < STEPS && in.left != 0; i++)
		run_step(&in);
	transmit_frames(FRAMES, true);
	m82576_rx_flush(model);
	quiesce();
	for (unsigned int i = 0; i < PAGES; i++)
		check_page(i);
	srv.ops.detached(srv.opaque, "the end");
	return 0;
}
