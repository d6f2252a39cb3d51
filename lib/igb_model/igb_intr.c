/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Interrupts (7.3, 8.8).
 *
 * Two sets of registers. ICR and IMS hold causes as all e1000s have them. EICR
 * and EIMS hold vectors: with GPIE.Multiple_MSIX, IVAR says which vector a
 * queue's cause, and "everything else" (a cause in ICR that IMS lets through),
 * sets in EICR; and a bit that EIMS lets through sends that vector's message.
 * EIAC then clears it in EICR again, EIAM in EIMS. Without Multiple_MSIX there
 * is one interrupt (INTx, MSI, or MSI-X vector 0) while ICR & IMS is not 0.
 *
 * A message is sent once for a cause: eicr_sent and icr_sent remember for which
 * it was, until the cause is cleared. EITR holds a message back; it stays due
 * (intr_pending) and goes at a later flush. INTx is no message but a level: the server
 * masks it when it signals it, and igb_intr_unmasked() signals it again.
 *
 * Causes come from the polling threads, masks from the control thread, the
 * link's from anybody: all words are changed by atomic operations, and whoever
 * sets the "sent" bit sends. Nothing here makes a system call unless a message
 * really goes out. A polling thread sends at most FLUSH_MESSAGES in one flush of a device; what is
 * due beyond that goes at the next, so that a driver that asks for no throttling (EITR 0) cannot
 * keep the thread from other devices.
 */

#include <limits.h>

#include <linux/vfio.h>

#include "igb_model_priv.h"

#define IGB_NS_PER_US 1000ull
/* Causes that ICR has (8.8.9); the others can be neither set nor unmasked. */
#define ICR_CAUSES 0x77DCFBFDu
/* Vectors, or with one interrupt queues' causes and the TCP timer (8.8.2); EIMS has "other", too. */
#define EICR_VECTORS ((1u << IGB_MSIX_VECTORS) - 1)
#define EICR_QUEUES  (0xFFFFu | IGB_EICR_TCP_TIMER)
/* In the mode with one interrupt, its "vector" for throttling. */
#define IGB_SINGLE_VECTOR 0

/* Messages that a polling thread sends in one flush: each is two system calls. */
#define FLUSH_MESSAGES 2

/* Of this thread, while it flushes a device. */
static __thread unsigned int messages_left = UINT_MAX;

void
igb_intr_flush(bool begins)
{
	messages_left = begins ? FLUSH_MESSAGES : UINT_MAX;
}

static uint32_t
word(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static uint32_t
set(uint32_t *p, uint32_t bits)
{
	return __atomic_fetch_or(p, bits, __ATOMIC_ACQ_REL);
}

static uint32_t
clear(uint32_t *p, uint32_t bits)
{
	return __atomic_fetch_and(p, ~bits, __ATOMIC_ACQ_REL);
}

static bool
multiple(const struct igb_model *m)
{
	return igb_reg(m, IGB_GPIE) & IGB_GPIE_MULTIPLE_MSIX;
}

/*
 * Something is due that a later flush must send. After the "sent" bits were taken back: a thread that
 * found them set has already taken the reminder before that.
 */
static void
remind(struct igb_model *m)
{
	__atomic_store_n(&m->intr_pending, 1, __ATOMIC_SEQ_CST);
}

/* May vector v's message go now? If not, it stays due, and the caller calls remind(). */
static bool
throttle(struct igb_model *m, unsigned int v)
{
	uint32_t us = (igb_reg(m, IGB_EITR(v)) & IGB_EITR_INTERVAL_MASK) >> IGB_EITR_INTERVAL_SHIFT;
	uint64_t now;

	if (messages_left == 0)
		return false;
	if (us == 0) {
		if (messages_left != UINT_MAX)
			messages_left--;
		return true;
	}
	now = igb_now_ns();
	if (now - __atomic_load_n(&m->intr_last[v], __ATOMIC_RELAXED) < us * IGB_NS_PER_US)
		return false;
	__atomic_store_n(&m->intr_last[v], now, __ATOMIC_RELAXED);
	if (messages_left != UINT_MAX)
		messages_left--;
	return true;
}

static bool
raise_irq(struct igb_model *m, unsigned int index, unsigned int vector)
{
	struct vfu_server *s = __atomic_load_n(&m->server, __ATOMIC_ACQUIRE);

	return s != NULL && vfu_server_irq(s, index, vector);
}

static void
send_vector(struct igb_model *m, unsigned int v)
{
	uint32_t bit = 1u << v;

	if (set(&m->eicr_sent, bit) & bit)
		return; /* another thread does */
	if (!throttle(m, v)) {
		clear(&m->eicr_sent, bit);
		remind(m);
		return;
	}
	if (igb_reg(m, IGB_GPIE) & IGB_GPIE_EIAME)
		clear(&m->eims, bit & igb_reg(m, IGB_EIAM));
	if (bit & igb_reg(m, IGB_EIAC)) {
		clear(&m->eicr, bit);
		clear(&m->eicr_sent, bit);
	}
	raise_irq(m, VFIO_PCI_MSIX_IRQ_INDEX, v);
}

/* False: the message stays due. */
static bool
send_single(struct igb_model *m, uint32_t causes)
{
	uint32_t before = set(&m->icr_sent, causes);

	if ((before & causes) == causes)
		return true; /* another thread does */
	if (!throttle(m, IGB_SINGLE_VECTOR)) {
		clear(&m->icr_sent, causes & ~before);
		remind(m);
		return false;
	}
	/* Which of the three the client chose shows in what it wired. */
	if (!raise_irq(m, VFIO_PCI_MSIX_IRQ_INDEX, 0) && !raise_irq(m, VFIO_PCI_MSI_IRQ_INDEX, 0) &&
		igb_ld_acq(&m->gates) & IGB_GATE_INTX)
		raise_irq(m, VFIO_PCI_INTX_IRQ_INDEX, 0);
	return true;
}

bool
igb_intr_asserted(const struct igb_model *m)
{
	return !multiple(m) &&
	       (word(&m->icr) & word(&m->ims) || word(&m->eicr) & word(&m->eims));
}

/* Sends what is due. From a polling thread or the control thread. */
void
igb_intr_fire(struct igb_model *m)
{
	uint32_t due, later, causes;

	__atomic_store_n(&m->intr_pending, 0, __ATOMIC_SEQ_CST);
	causes = word(&m->icr) & word(&m->ims);
	if (!multiple(m)) {
		if (causes & ~word(&m->icr_sent))
			send_single(m, causes);
		/* EIMS counts, too: IVAR gives bits 15:0, and 31 is everything else (7.3.1.2). */
		if (word(&m->eicr) & word(&m->eims) & ~word(&m->eicr_sent)) {
			due = word(&m->eicr) & word(&m->eims);
			due &= ~set(&m->eicr_sent, due);
			if (!send_single(m, IGB_ICR_INT_ASSERTED)) {
				clear(&m->eicr_sent, due);
				remind(m);
			}
			clear(&m->icr_sent, IGB_ICR_INT_ASSERTED);
		}
		return;
	}
	if (causes & ~word(&m->icr_sent)) {
		uint32_t ivar = igb_reg(m, IGB_IVAR_MISC) >> IGB_IVAR_MISC_OTHER_SHIFT;

		if (ivar & IGB_IVAR_VALID && (ivar & 0x1F) < IGB_MSIX_VECTORS) {
			set(&m->icr_sent, causes);
			set(&m->eicr, 1u << (ivar & 0x1F));
		}
	}
	due = word(&m->eicr) & word(&m->eims) & ~word(&m->eicr_sent) &
	      ((1u << IGB_MSIX_VECTORS) - 1);
	/* From the one after the last that went, so that each has its turn. */
	later = due & ~0u << __atomic_load_n(&m->intr_next, __ATOMIC_RELAXED);
	while (due != 0) {
		unsigned int v = (unsigned int)__builtin_ctz(later != 0 ? later : due);

		if (messages_left == 0) {
			remind(m);
			return;
		}
		send_vector(m, v);
		due &= ~(1u << v);
		later &= ~(1u << v);
		__atomic_store_n(&m->intr_next, (v + 1) % IGB_MSIX_VECTORS, __ATOMIC_RELAXED);
	}
}

/*
 * INTx is a level (PCI 2.3, 2.2.6): while it is asserted, whoever unmasks it meets it again. A
 * message was sent once, and stays sent.
 */
void
igb_intr_unmasked(struct igb_model *m)
{
	if (!igb_intr_asserted(m) ||
		!vfu_server_irq_wired(m->server, VFIO_PCI_INTX_IRQ_INDEX, 0))
		return;
	clear(&m->icr_sent, ~0u);
	clear(&m->eicr_sent, ~0u);
	igb_intr_fire(m);
}

/* Causes that have no queue. */
void
igb_intr_other(struct igb_model *m, uint32_t causes)
{
	set(&m->icr, causes);
	if (causes & word(&m->ims))
		igb_intr_fire(m);
}

/* Write-backs were done in these queues. */
void
igb_intr_queues(struct igb_model *m, uint32_t queues, bool is_tx)
{
	uint32_t cause = is_tx ? IGB_ICR_TXDW : IGB_ICR_RXDW, vectors = 0;

	while (queues != 0) {
		unsigned int q = (unsigned int)__builtin_ctz(queues);
		uint32_t ivar = igb_reg(m, IGB_IVAR_REG(q)) >> IGB_IVAR_SHIFT(q, is_tx);

		queues &= queues - 1;
		if (ivar & IGB_IVAR_VALID && (ivar & 0x1F) < IGB_MSIX_VECTORS)
			vectors |= 1u << (ivar & 0x1F);
	}
	/* Read first: in steady state everything is set already, or masked. */
	if (!(word(&m->icr) & cause))
		set(&m->icr, cause);
	if (vectors & ~word(&m->eicr))
		set(&m->eicr, vectors);
	if (word(&m->ims) & cause || word(&m->eims) & vectors)
		igb_intr_fire(m);
}

static uint32_t
icr_value(struct igb_model *m)
{
	uint32_t v = word(&m->icr);

	if (v & word(&m->ims))
		v |= IGB_ICR_INT_ASSERTED;
	return v;
}

static void
icr_clear(struct igb_model *m, uint32_t bits)
{
	clear(&m->icr, bits);
	clear(&m->icr_sent, bits);
}

/* 8.8.9: reading or writing ICR masks what IAM says, always or if it was we who asked. */
static void
icr_ack(struct igb_model *m)
{
	if (igb_reg(m, IGB_GPIE) & IGB_GPIE_NSICR || word(&m->icr) & word(&m->ims))
		clear(&m->ims, igb_reg(m, IGB_IAM));
}

/* 8.8.9: a read clears if NSICR says so, if nothing is unmasked, or if we asked for attention. */
static uint32_t
icr_read(struct igb_model *m)
{
	uint32_t v = icr_value(m);
	bool clears = igb_reg(m, IGB_GPIE) & IGB_GPIE_NSICR || word(&m->ims) == 0 ||
		      v & IGB_ICR_INT_ASSERTED;

	icr_ack(m);
	if (clears)
		icr_clear(m, v);
	return v;
}

static void
eicr_clear(struct igb_model *m, uint32_t bits)
{
	clear(&m->eicr, bits);
	clear(&m->eicr_sent, bits);
}

uint32_t
igb_intr_read(struct igb_model *m, uint32_t off)
{
	uint32_t v;

	switch (off) {
	case IGB_ICR:
		return icr_read(m);
	case IGB_IMS:
	case IGB_IMC: /* 8.8.12 */
		return word(&m->ims);
	case IGB_EICR:
		v = word(&m->eicr);
		if (!multiple(m) && icr_value(m) & IGB_ICR_INT_ASSERTED)
			v |= IGB_EICR_OTHER;
		/* With MSI-X, bits that EIAC clears by themselves are not cleared by a read. */
		eicr_clear(m, multiple(m) ? v & ~igb_reg(m, IGB_EIAC) : v);
		return v;
	case IGB_EIMS:
		return word(&m->eims);
	}
	return 0; /* ICS, EICS, EIMC: write only */
}

void
igb_intr_write(struct igb_model *m, uint32_t off, uint32_t v)
{
	switch (off) {
	case IGB_ICR:
		icr_ack(m);
		icr_clear(m, v);
		return;
	case IGB_ICS:
		v &= ICR_CAUSES;
		clear(&m->icr_sent, v);
		set(&m->icr, v);
		break;
	case IGB_IMS:
		/* What was masked when it came has not been told: it is due now. */
		clear(&m->icr_sent, v & ~word(&m->ims));
		set(&m->ims, v & ICR_CAUSES);
		break;
	case IGB_IMC:
		clear(&m->ims, v);
		return;
	case IGB_EICR:
		eicr_clear(m, v);
		return;
	case IGB_EICS:
		v &= multiple(m) ? EICR_VECTORS : EICR_QUEUES;
		clear(&m->eicr_sent, v);
		set(&m->eicr, v);
		break;
	case IGB_EIMS:
		v &= multiple(m) ? EICR_VECTORS : EICR_QUEUES | IGB_EICR_OTHER;
		clear(&m->eicr_sent, v & ~word(&m->eims));
		set(&m->eims, v);
		break;
	case IGB_EIMC:
		clear(&m->eims, v);
		return;
	}
	igb_intr_fire(m);
}

void
igb_intr_reset(struct igb_model *m)
{
	unsigned int i;

	clear(&m->ims, ~0u);
	clear(&m->eims, ~0u);
	icr_clear(m, ~0u);
	eicr_clear(m, ~0u);
	__atomic_store_n(&m->intr_pending, 0, __ATOMIC_RELEASE);
	for (i = 0; i < IGB_MSIX_VECTORS; i++)
		__atomic_store_n(&m->intr_last[i], 0, __ATOMIC_RELAXED);
}
