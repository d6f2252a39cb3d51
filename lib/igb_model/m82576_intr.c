/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Interrupts (7.3, 8.8).
 *
 *    queue's cause --(IVAR)--------------------+
 *    other cause --> ICR --(IMS)--(IVAR_MISC)--+--> EICR --(EIMS)--(EITR)--> MSI-X message
 *
 *    without GPIE.Multiple_MSIX:
 *    any cause ----> ICR --(IMS)---+--(EITR 0)--> MSI-X vector 0, MSI or INTx
 *    queue's cause -> EICR -(EIMS)-+
 *
 * There are two sets of registers. ICR and IMS hold causes, as in all e1000 devices. EICR and EIMS
 * hold vectors. With GPIE.Multiple_MSIX, IVAR maps a queue's cause to a vector, and IVAR_MISC maps
 * "everything else" (a cause in ICR that IMS enables); the cause sets the bit of that vector in
 * EICR. A bit in EICR that EIMS enables sends that vector's message. EIAC then clears the bit in
 * EICR, and EIAM clears it in EIMS. Without Multiple_MSIX there is one interrupt (INTx, MSI, or
 * MSI-X vector 0) while ICR & IMS or EICR & EIMS is not 0.
 *
 * The device sends a message once for a cause: eicr_sent and icr_sent remember the causes for which
 * it was sent, until they are cleared. EITR delays a message; the message remains due
 * (intr_pending) and is sent at a later flush. INTx is a level and no message: the server masks it
 * when it signals it, and m82576_intr_unmasked() signals it again.
 *
 * Polling threads raise causes, the control thread changes masks, and any thread may report a
 * change of the link. Therefore atomic operations change all words, and the thread that sets a
 * "sent" bit sends the message. Nothing here makes a system call unless a message is sent. A
 * polling thread sends at most FLUSH_MESSAGES messages in one flush of a device. The others remain
 * due until the next flush, so that a driver that asks for no throttling (EITR 0) cannot keep the
 * thread from other devices.
 */

#include <limits.h>

#include <linux/vfio.h>

#include "m82576_priv.h"

#define NS_PER_US 1000ull
/* Causes that ICR implements (8.8.9); the others can be neither set nor unmasked. */
#define ICR_CAUSES 0x77DCFBFDu
/*
 * Bits of EICR: vectors; or, with one interrupt, the causes of queues and the TCP timer (8.8.2).
 * EIMS also has "other".
 */
#define EICR_VECTORS ((1u << IGB_MSIX_VECTORS) - 1)
#define EICR_QUEUES  (0xFFFFu | IGB_EICR_TCP_TIMER)
/* The vector whose EITR throttles the single interrupt. */
#define SINGLE_VECTOR 0

/* Messages that a polling thread sends in one flush: each costs two system calls. */
#define FLUSH_MESSAGES 2

/* Messages that this thread may still send in its flush; UINT_MAX: it is in no flush. */
static __thread unsigned int messages_left = UINT_MAX;

void
m82576_intr_flush(bool begins)
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
multiple(const struct m82576 *m)
{
	return m82576_reg(m, IGB_GPIE) & IGB_GPIE_MULTIPLE_MSIX;
}

/*
 * Make a later flush send what is due. Call it after clearing the "sent" bits: a thread that found
 * them set has already consumed the earlier reminder.
 */
static void
remind(struct m82576 *m)
{
	__atomic_store_n(&m->intr_pending, 1, __ATOMIC_SEQ_CST);
}

/*
 * Return whether the message of vector v may be sent now. If not, it remains due, and the caller
 * must call remind().
 */
static bool
throttle(struct m82576 *m, unsigned int v)
{
	uint32_t us = (m82576_reg(m, IGB_EITR(v)) & IGB_EITR_INTERVAL_MASK) >>
			IGB_EITR_INTERVAL_SHIFT;
	uint64_t now;

	if (messages_left == 0)
		return false;
	if (us == 0) {
		if (messages_left != UINT_MAX)
			messages_left--;
		return true;
	}
	now = m82576_now_ns();
	if (now - __atomic_load_n(&m->intr_last[v], __ATOMIC_RELAXED) < us * NS_PER_US)
		return false;
	__atomic_store_n(&m->intr_last[v], now, __ATOMIC_RELAXED);
	if (messages_left != UINT_MAX)
		messages_left--;
	return true;
}

static bool
raise_irq(struct m82576 *m, unsigned int index, unsigned int vector)
{
	struct vfu_server *s = __atomic_load_n(&m->server, __ATOMIC_ACQUIRE);

	return s != NULL && vfu_server_irq(s, index, vector);
}

static void
send_vector(struct m82576 *m, unsigned int v)
{
	uint32_t bit = 1u << v;

	if (set(&m->eicr_sent, bit) & bit)
		return; /* another thread sends it */
	if (!throttle(m, v)) {
		clear(&m->eicr_sent, bit);
		remind(m);
		return;
	}
	if (m82576_reg(m, IGB_GPIE) & IGB_GPIE_EIAME)
		clear(&m->eims, bit & m82576_reg(m, IGB_EIAM));
	if (bit & m82576_reg(m, IGB_EIAC)) {
		clear(&m->eicr, bit);
		clear(&m->eicr_sent, bit);
	}
	raise_irq(m, VFIO_PCI_MSIX_IRQ_INDEX, v);
}

/*
 * Send the single interrupt for @p causes.
 *
 * @return false: the message remains due
 */
static bool
send_single(struct m82576 *m, uint32_t causes)
{
	uint32_t before = set(&m->icr_sent, causes);

	if ((before & causes) == causes)
		return true; /* another thread sends it */
	if (!throttle(m, SINGLE_VECTOR)) {
		clear(&m->icr_sent, causes & ~before);
		remind(m);
		return false;
	}
	/* Send by the first of the three that the client has wired. */
	if (!raise_irq(m, VFIO_PCI_MSIX_IRQ_INDEX, 0) && !raise_irq(m, VFIO_PCI_MSI_IRQ_INDEX, 0) &&
			m82576_ld_acq(&m->gates) & M82576_GATE_INTX)
		raise_irq(m, VFIO_PCI_INTX_IRQ_INDEX, 0);
	return true;
}

bool
m82576_intr_asserted(const struct m82576 *m)
{
	return !multiple(m) && (word(&m->icr) & word(&m->ims) || word(&m->eicr) & word(&m->eims));
}

/* Send all messages that are due. From a polling thread or the control thread. */
void
m82576_intr_fire(struct m82576 *m)
{
	uint32_t due, later, causes;

	__atomic_store_n(&m->intr_pending, 0, __ATOMIC_SEQ_CST);
	causes = word(&m->icr) & word(&m->ims);
	if (!multiple(m)) {
		send_single(m, causes);
		/*
		 * EIMS also enables the single interrupt: IVAR sets bits 15:0 of EICR, and bit 31
		 * is everything else (7.3.1.2).
		 */
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
		uint32_t ivar = m82576_reg(m, IGB_IVAR_MISC) >> IGB_IVAR_MISC_OTHER_SHIFT;

		if (ivar & IGB_IVAR_VALID && (ivar & 0x1F) < IGB_MSIX_VECTORS) {
			set(&m->icr_sent, causes);
			set(&m->eicr, 1u << (ivar & 0x1F));
		}
	}
	due = word(&m->eicr) & word(&m->eims) & ~word(&m->eicr_sent) &
			((1u << IGB_MSIX_VECTORS) - 1);
	/* Begin after the vector that was sent last, so that every vector gets its turn. */
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
 * Signal INTx again. INTx is a level (PCI 2.3, 2.2.6): while it is asserted, unmasking it signals
 * it again. A message was sent once, and is not sent again.
 */
void
m82576_intr_unmasked(struct m82576 *m)
{
	if (!m82576_intr_asserted(m) ||
			!vfu_server_irq_wired(m->server, VFIO_PCI_INTX_IRQ_INDEX, 0))
		return;
	clear(&m->icr_sent, ~0u);
	clear(&m->eicr_sent, ~0u);
	m82576_intr_fire(m);
}

/* Raise causes that belong to no queue. */
void
m82576_intr_other(struct m82576 *m, uint32_t causes)
{
	set(&m->icr, causes);
	if (causes & word(&m->ims))
		m82576_intr_fire(m);
}

/* Raise the causes of queues in which descriptors were written back. */
void
m82576_intr_queues(struct m82576 *m, uint32_t queues, bool is_tx)
{
	uint32_t cause = is_tx ? IGB_ICR_TXDW : IGB_ICR_RXDW, vectors = 0;

	while (queues != 0) {
		unsigned int q = (unsigned int)__builtin_ctz(queues);
		uint32_t ivar = m82576_reg(m, IGB_IVAR_REG(q)) >> IGB_IVAR_SHIFT(q, is_tx);

		queues &= queues - 1;
		if (ivar & IGB_IVAR_VALID && (ivar & 0x1F) < IGB_MSIX_VECTORS)
			vectors |= 1u << (ivar & 0x1F);
	}
	/* Read first: in steady state all causes are already set, or masked. */
	if (!(word(&m->icr) & cause))
		set(&m->icr, cause);
	if (vectors & ~word(&m->eicr))
		set(&m->eicr, vectors);
	if (word(&m->ims) & cause || word(&m->eims) & vectors)
		m82576_intr_fire(m);
}

static uint32_t
icr_value(struct m82576 *m)
{
	uint32_t v = word(&m->icr);

	if (v & word(&m->ims))
		v |= IGB_ICR_INT_ASSERTED;
	return v;
}

static void
icr_clear(struct m82576 *m, uint32_t bits)
{
	clear(&m->icr, bits);
	clear(&m->icr_sent, bits);
}

/*
 * Acknowledge ICR (8.8.9): a read or a write of ICR clears what IAM names in IMS, with NSICR
 * always, else only if the device asserted the interrupt.
 */
static void
icr_ack(struct m82576 *m)
{
	if (m82576_reg(m, IGB_GPIE) & IGB_GPIE_NSICR || word(&m->icr) & word(&m->ims))
		clear(&m->ims, m82576_reg(m, IGB_IAM));
}

/*
 * Read ICR (8.8.9). The read clears ICR if NSICR is set, if nothing is unmasked, or if the device
 * asserted the interrupt.
 */
static uint32_t
icr_read(struct m82576 *m)
{
	uint32_t v = icr_value(m);
	bool clears = m82576_reg(m, IGB_GPIE) & IGB_GPIE_NSICR || word(&m->ims) == 0 ||
			v & IGB_ICR_INT_ASSERTED;

	icr_ack(m);
	if (clears)
		icr_clear(m, v);
	return v;
}

static void
eicr_clear(struct m82576 *m, uint32_t bits)
{
	clear(&m->eicr, bits);
	clear(&m->eicr_sent, bits);
}

uint32_t
m82576_intr_read(struct m82576 *m, uint32_t off)
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
		/* With MSI-X, a read does not clear the bits that EIAC clears automatically. */
		eicr_clear(m, multiple(m) ? v & ~m82576_reg(m, IGB_EIAC) : v);
		return v;
	case IGB_EIMS:
		return word(&m->eims);
	}
	return 0; /* ICS, EICS, EIMC: write only */
}

void
m82576_intr_write(struct m82576 *m, uint32_t off, uint32_t v)
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
		/*
		 * Causes that were masked when they came have not been reported: they are due now.
		 */
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
	m82576_intr_fire(m);
}

void
m82576_intr_reset(struct m82576 *m)
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
