/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Interrupts (7.3, 8.8): causes, masks, the effects of reading and writing them, and MSI-X vectors
 * as the bus delivers them.
 */

#include <poll.h>
#include <unistd.h>

#include <rte_interrupts.h>

#include "ma.h"

#define LSC     IGB_ICR_LSC
#define RXDMT0  IGB_ICR_RXDMT0
#define VECTORS 3 /* 1 to 3: EAL has an event file descriptor for each */

static struct ma_frame f;

/* Record one read of a register that reading clears. */
static void
fact_read(const char *key, const struct ma_port *p, uint32_t reg)
{
	ma_fact(key, "0x%08x", ma_rd(p, reg));
}

static void
send_one(void)
{
	static const struct ma_spec s = { .paylen = 60 };

	ma_build(&f, &s);
	ma_send(f.b, f.len);
	ma_sync();
	ma_b.ngot = 0;
}

/* 8.8.9 to 8.8.13, with ICR and IMS only. */
static void
classic(void)
{
	ma_open("icr");
	fact_read("idle", &ma_a, IGB_ICR);
	ma_wr(&ma_a, IGB_ICS, LSC);
	fact_read("ics.read", &ma_a, IGB_ICS);
	fact_read("ics", &ma_a, IGB_ICR);
	fact_read("ics.again", &ma_a, IGB_ICR);
	ma_wr(&ma_a, IGB_ICS, LSC | RXDMT0);
	ma_wr(&ma_a, IGB_ICR, LSC);
	fact_read("w1c", &ma_a, IGB_ICR);

	ma_wr(&ma_a, IGB_IMS, LSC | RXDMT0);
	fact_read("ims", &ma_a, IGB_IMS);
	fact_read("ims.as_imc", &ma_a, IGB_IMC);
	ma_wr(&ma_a, IGB_IMC, RXDMT0);
	fact_read("imc", &ma_a, IGB_IMS);
	/* IMS is LSC: raise an unmasked cause, then a masked one. */
	ma_wr(&ma_a, IGB_ICS, LSC);
	fact_read("unmasked", &ma_a, IGB_ICR);
	fact_read("unmasked.again", &ma_a, IGB_ICR);
	ma_wr(&ma_a, IGB_ICS, RXDMT0);
	fact_read("masked", &ma_a, IGB_ICR);
	fact_read("masked.again", &ma_a, IGB_ICR);
	ma_wr(&ma_a, IGB_ICR, ~0u);
	fact_read("cleared", &ma_a, IGB_ICR);
	ma_wr(&ma_a, IGB_IMC, ~0u);
	fact_read("imc.all", &ma_a, IGB_IMS);
	ma_wr(&ma_a, IGB_IMS, ~0u);
	fact_read("ims.all", &ma_a, IGB_IMS);
	ma_wr(&ma_a, IGB_IMC, ~0u);

	/* 7.3.3.2: reading or writing ICR masks the causes in IAM. */
	ma_open("iam");
	ma_wr(&ma_a, IGB_IAM, LSC);
	ma_wr(&ma_a, IGB_IMS, LSC | RXDMT0);
	ma_wr(&ma_a, IGB_ICS, LSC);
	fact_read("icr", &ma_a, IGB_ICR);
	fact_read("ims", &ma_a, IGB_IMS);
	ma_wr(&ma_a, IGB_IMS, LSC);
	ma_wr(&ma_a, IGB_ICS, LSC);
	ma_wr(&ma_a, IGB_ICR, LSC);
	fact_read("ims.written", &ma_a, IGB_IMS);
	ma_wr(&ma_a, IGB_GPIE, IGB_GPIE_NSICR);
	ma_wr(&ma_a, IGB_IMS, LSC);
	fact_read("nsicr.icr", &ma_a, IGB_ICR);
	fact_read("nsicr.ims", &ma_a, IGB_IMS);
	ma_wr(&ma_a, IGB_ICS, 1u << 9); /* masked, but cleared nevertheless */
	fact_read("nsicr.masked", &ma_a, IGB_ICR);
	fact_read("nsicr.again", &ma_a, IGB_ICR);
}

static void
ivar(const struct ma_port *p, unsigned int rx, unsigned int tx, unsigned int other)
{
	ma_wr(p, IGB_IVAR(0), (rx | IGB_IVAR_VALID) | (tx | IGB_IVAR_VALID) << 8);
	ma_wr(p, IGB_IVAR_MISC, (other | IGB_IVAR_VALID) << IGB_IVAR_MISC_OTHER_SHIFT);
}

/* The causes that frames raise, without and with IVAR, in the mode with one interrupt. */
static void
causes(void)
{
	ma_open("causes");
	send_one();
	ma_fact("sender", "0x%08x", ma_rd(&ma_a, IGB_ICR) & ~IGB_ICR_INT_ASSERTED);
	ma_fact("receiver", "0x%08x", ma_rd(&ma_b, IGB_ICR) & ~IGB_ICR_INT_ASSERTED);
	fact_read("sender.eicr", &ma_a, IGB_EICR);
	fact_read("receiver.eicr", &ma_b, IGB_EICR);
	ivar(&ma_a, 0, 1, 0);
	ivar(&ma_b, 2, 3, 0);
	send_one();
	ma_fact("ivar.sender", "0x%08x", ma_rd(&ma_a, IGB_ICR) & ~IGB_ICR_INT_ASSERTED);
	ma_fact("ivar.receiver", "0x%08x", ma_rd(&ma_b, IGB_ICR) & ~IGB_ICR_INT_ASSERTED);
	fact_read("ivar.sender.eicr", &ma_a, IGB_EICR);
	fact_read("ivar.receiver.eicr", &ma_b, IGB_EICR);
	fact_read("ivar.receiver.eicr.again", &ma_b, IGB_EICR);
	/* Frames without RS raise no cause at the sender. */
	ma_tx_data(&ma_a, 0, ma_txbuf(&ma_a, f.b, f.len), f.len, IGB_TXD_EOP | IGB_TXD_IFCS,
			f.len << IGB_TXD_PAYLEN_SHIFT);
	ma_tx_kick(&ma_a, 0);
	ma_sync();
	ma_b.ngot = 0;
	ma_fact("no_rs.sender", "0x%08x", ma_rd(&ma_a, IGB_ICR) & ~IGB_ICR_INT_ASSERTED);
	/* 7.3.1.2: with one interrupt, bit 31 of EICR is "everything else". */
	ma_wr(&ma_a, IGB_IMS, LSC);
	ma_wr(&ma_a, IGB_ICS, LSC);
	fact_read("other.eicr", &ma_a, IGB_EICR);
	fact_read("other.icr", &ma_a, IGB_ICR);
	fact_read("other.eicr.after", &ma_a, IGB_EICR);
}

/* GPIE.Multiple_MSIX: vectors. None is delivered, because the bus has not enabled any. */
static void
vectors(void)
{
	ma_open("eicr");
	ma_wr(&ma_a, IGB_GPIE, IGB_GPIE_MULTIPLE_MSIX);
	ma_wr(&ma_b, IGB_GPIE, IGB_GPIE_MULTIPLE_MSIX);
	ma_wr(&ma_a, IGB_EICS, 0x5);
	fact_read("eics", &ma_a, IGB_EICR);
	fact_read("eics.again", &ma_a, IGB_EICR);
	ma_wr(&ma_a, IGB_EICS, ~0u);
	fact_read("eics.all", &ma_a, IGB_EICR);
	ma_wr(&ma_a, IGB_EICS, 0x7);
	ma_wr(&ma_a, IGB_EICR, 0x1);
	fact_read("w1c", &ma_a, IGB_EICR);
	ma_wr(&ma_a, IGB_EIMS, 0x7);
	ma_wr(&ma_a, IGB_EIMC, 0x2);
	fact_read("eims", &ma_a, IGB_EIMS);
	ma_wr(&ma_a, IGB_EIMS, ~0u);
	fact_read("eims.all", &ma_a, IGB_EIMS);
	ma_wr(&ma_a, IGB_EIMC, ~0u);
	fact_read("eimc.all", &ma_a, IGB_EIMS);
	ma_wr(&ma_a, IGB_EIAC, 0x4);
	fact_read("eiac", &ma_a, IGB_EIAC);
	ma_wr(&ma_a, IGB_EIAC, 0x2);
	fact_read("eiac.rewritten", &ma_a, IGB_EIAC);
	ma_wr(&ma_a, IGB_EIAM, 0x4);
	fact_read("eiam", &ma_a, IGB_EIAM);
	ma_wr(&ma_a, IGB_EIAM, 0);
	fact_read("eiam.rewritten", &ma_a, IGB_EIAM);

	ma_open("ivar");
	ma_wr(&ma_a, IGB_GPIE, IGB_GPIE_MULTIPLE_MSIX);
	ma_wr(&ma_b, IGB_GPIE, IGB_GPIE_MULTIPLE_MSIX);
	ivar(&ma_a, 3, 4, 5);
	ivar(&ma_b, 6, 7, 8);
	send_one();
	fact_read("sender", &ma_a, IGB_EICR);
	fact_read("receiver", &ma_b, IGB_EICR);
	ma_fact("sender.icr", "0x%08x", ma_rd(&ma_a, IGB_ICR) & ~IGB_ICR_INT_ASSERTED);
	ma_fact("receiver.icr", "0x%08x", ma_rd(&ma_b, IGB_ICR) & ~IGB_ICR_INT_ASSERTED);
	ma_wr(&ma_a, IGB_ICS, LSC);
	fact_read("lsc.masked", &ma_a, IGB_EICR);
	fact_read("lsc.masked.icr", &ma_a, IGB_ICR);
	ma_wr(&ma_a, IGB_IMS, LSC);
	ma_wr(&ma_a, IGB_ICS, LSC);
	fact_read("lsc.unmasked", &ma_a, IGB_EICR);
	fact_read("lsc.unmasked.icr", &ma_a, IGB_ICR);
	/* Unmasked after the cause was raised. */
	ma_wr(&ma_a, IGB_IMC, LSC);
	ma_wr(&ma_a, IGB_ICS, LSC);
	ma_wr(&ma_a, IGB_IMS, LSC);
	fact_read("lsc.late", &ma_a, IGB_EICR);
	/* An entry that is not valid. */
	ma_wr(&ma_b, IGB_IVAR(0), 6);
	send_one();
	fact_read("invalid", &ma_b, IGB_EICR);
}

/* Return whether vector v was delivered; wait only shortly if it is not expected. */
static const char *
came(const struct ma_port *p, unsigned int v, bool expected)
{
	struct pollfd pfd = {
		.fd = rte_intr_efds_index_get(p->bus.intr_handle, (int)v - 1),
		.events = POLLIN,
	};
	uint64_t n;

	if (poll(&pfd, 1, expected ? MA_TIMEOUT_S * 1000 : 100) != 1)
		return "no";
	return read(pfd.fd, &n, sizeof(n)) == sizeof(n) ? "yes" : "error";
}

static void
messages(void)
{
	const struct igb_bus_dev *bus = &ma_b.bus;

	ma_open("msix");
	if (!bus->intr_per_queue || bus->ops->queue_vectors_on(bus->dev, VECTORS) != 0 ||
			rte_intr_enable(bus->intr_handle) != 0)
		ma_fail("no MSI-X vectors");
	ma_wr(&ma_b, IGB_GPIE,
			IGB_GPIE_MULTIPLE_MSIX | IGB_GPIE_EIAME | IGB_GPIE_PBA | IGB_GPIE_NSICR);
	ivar(&ma_b, 1, 2, 3);
	ma_wr(&ma_b, IGB_EIMS, 1u << 2);
	ma_wr(&ma_b, IGB_EICS, 1u << 2);
	ma_fact("eics", "%s", came(&ma_b, 2, true));
	fact_read("eics.eicr", &ma_b, IGB_EICR);
	fact_read("eics.eims", &ma_b, IGB_EIMS);
	/* A masked vector is not delivered until it is unmasked. */
	ma_wr(&ma_b, IGB_EICS, 1u << 1);
	ma_fact("masked", "%s", came(&ma_b, 1, false));
	ma_wr(&ma_b, IGB_EIMS, 1u << 1);
	ma_fact("unmasked", "%s", came(&ma_b, 1, true));
	fact_read("unmasked.eicr", &ma_b, IGB_EICR);

	/* Receive; EIAC clears the cause, EIAM the mask (7.3.3.3, 7.3.3.4). */
	send_one();
	ma_fact("rx", "%s", came(&ma_b, 1, true));
	fact_read("rx.eicr", &ma_b, IGB_EICR);
	fact_read("rx.eims", &ma_b, IGB_EIMS);
	ma_wr(&ma_b, IGB_EIAC, 1u << 1);
	send_one();
	ma_fact("eiac", "%s", came(&ma_b, 1, true));
	fact_read("eiac.eicr", &ma_b, IGB_EICR);
	fact_read("eiac.eims", &ma_b, IGB_EIMS);
	ma_wr(&ma_b, IGB_EIAM, 1u << 1);
	send_one();
	ma_fact("eiam", "%s", came(&ma_b, 1, true));
	fact_read("eiam.eims", &ma_b, IGB_EIMS);
	/* Is the vector still masked? */
	send_one();
	ma_fact("eiam.again", "%s", came(&ma_b, 1, false));
	fact_read("eiam.again.eicr", &ma_b, IGB_EICR);

	/* Everything else: a link change. */
	ma_wr(&ma_b, IGB_EIMS, 1u << 3);
	ma_wr(&ma_b, IGB_IMS, LSC);
	ma_wr(&ma_b, IGB_ICS, LSC);
	ma_fact("other", "%s", came(&ma_b, 3, true));
	fact_read("other.icr", &ma_b, IGB_ICR);
	ma_wr(&ma_b, IGB_IMC, ~0u);
	ma_wr(&ma_b, IGB_EIMC, ~0u);
	rte_intr_disable(bus->intr_handle);
	bus->ops->queue_vectors_off(bus->dev);
}

void
ma_intr(void)
{
	classic();
	causes();
	vectors();
	messages();
}
