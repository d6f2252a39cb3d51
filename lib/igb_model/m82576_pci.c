/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * PCI configuration space (chapter 9), and the MSI-X table in BAR 3.
 *
 * Configuration space is two arrays: the values, and the bits that a write may change. Sizing a BAR
 * needs nothing else, because the bits below its size cannot be written. A write has further
 * effects in a few places only: the command register (bus master gates all DMA, INTx disable), the
 * mask of MSI, and the function level reset.
 *
 * A DMA fault of this device is what a PCI device calls a master abort: the IOMMU or the bus has
 * refused its access. So that the driver can learn of it, the status register shows it (Received
 * Master Abort) until a one is written there.
 *
 * The device signals interrupts by event file descriptors, so that the MSI-X table has no effect of
 * its own; it stores what a client writes. A virtual machine monitor keeps the table of its guest
 * by itself, masks vectors by SET_IRQS, and may read the pending bits (PBA) here: they report the
 * vectors that were raised while masked by SET_IRQS.
 */

#include <string.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "m82576_priv.h"

/*
 * Capabilities are where the 82576 has them (9.5). 0xE0 is VPD there, and gantry's vendor
 * capability here.
 */
#define CAP_PM   0x40
#define CAP_MSI  0x50
#define CAP_MSIX 0x70
#define CAP_PCIE 0xA0
#define CAP_VNDR 0xE0

#define PCIE_CAP_LEN 0x3C
#define BAR_MSIX     3

static void
put(struct m82576 *m, unsigned int off, unsigned int size, uint32_t v, uint32_t wmask)
{
	unsigned int i;

	for (i = 0; i < size; i++) {
		m->cfg[off + i] = (uint8_t)(v >> (8 * i));
		m->cfg_wmask[off + i] = (uint8_t)(wmask >> (8 * i));
	}
}

static uint32_t
get(const struct m82576 *m, unsigned int off, unsigned int size)
{
	uint32_t v = 0;
	unsigned int i;

	for (i = 0; i < size; i++)
		v |= (uint32_t)m->cfg[off + i] << (8 * i);
	return v;
}

static uint64_t
dma_faults(const struct m82576 *m)
{
	struct vfu_server_stats st;

	vfu_server_get_stats(m->server, &st);
	return st.dma_faults;
}

static void
bar(struct m82576 *m, unsigned int n, uint32_t size, uint32_t flags)
{
	put(m, PCI_BASE_ADDRESS_0 + 4 * n, 4, flags, ~(size - 1));
}

/* Set configuration space to its state after power-on. */
void
m82576_pci_init(struct m82576 *m)
{
	memset(m->cfg, 0, sizeof(m->cfg));
	memset(m->cfg_wmask, 0, sizeof(m->cfg_wmask));
	put(m, PCI_VENDOR_ID, 2, IGB_VENDOR_ID_INTEL, 0);
	put(m, PCI_DEVICE_ID, 2, IGB_DEV_ID_82576, 0);
	put(m, PCI_COMMAND, 2, 0,
			PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
					PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
					PCI_COMMAND_INTX_DISABLE);
	put(m, PCI_REVISION_ID, 1, 1, 0);
	put(m, PCI_CLASS_PROG, 3, 0x020000, 0); /* network, Ethernet */
	put(m, PCI_CACHE_LINE_SIZE, 1, 0, 0xFF);
	bar(m, 0, IGB_BAR0_SIZE, PCI_BASE_ADDRESS_SPACE_MEMORY);
	bar(m, 1, IGB_BAR1_SIZE, PCI_BASE_ADDRESS_SPACE_MEMORY);
	bar(m, 2, IGB_BAR2_SIZE, PCI_BASE_ADDRESS_SPACE_IO);
	bar(m, BAR_MSIX, IGB_BAR3_SIZE, PCI_BASE_ADDRESS_SPACE_MEMORY);
	put(m, PCI_SUBSYSTEM_VENDOR_ID, 2, m->nvm[IGB_NVM_SUBSYS_VENDOR], 0);
	put(m, PCI_SUBSYSTEM_ID, 2, m->nvm[IGB_NVM_SUBSYS_ID], 0);
	put(m, PCI_CAPABILITY_LIST, 1, CAP_PM, 0);
	put(m, PCI_INTERRUPT_LINE, 1, 0, 0xFF);
	put(m, PCI_INTERRUPT_PIN, 1, 1, 0);

	/* Power management: D0 and D3hot. No_Soft_Reset is set: D3hot loses no state. */
	put(m, CAP_PM, 2, PCI_CAP_ID_PM | CAP_MSI << 8, 0);
	put(m, CAP_PM + PCI_PM_PMC, 2, 3 | PCI_PM_CAP_DSI, 0);
	put(m, CAP_PM + PCI_PM_CTRL, 2, PCI_PM_CTRL_NO_SOFT_RESET, PCI_PM_CTRL_STATE_MASK);

	put(m, CAP_MSI, 2, PCI_CAP_ID_MSI | CAP_MSIX << 8, 0);
	put(m, CAP_MSI + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT,
			PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
	put(m, CAP_MSI + PCI_MSI_ADDRESS_LO, 4, 0, 0xFFFFFFFC);
	put(m, CAP_MSI + PCI_MSI_ADDRESS_HI, 4, 0, 0xFFFFFFFF);
	put(m, CAP_MSI + PCI_MSI_DATA_64, 2, 0, 0xFFFF);
	put(m, CAP_MSI + PCI_MSI_MASK_64, 4, 0, 1);

	put(m, CAP_MSIX, 2, PCI_CAP_ID_MSIX | CAP_PCIE << 8, 0);
	put(m, CAP_MSIX + PCI_MSIX_FLAGS, 2, IGB_MSIX_VECTORS - 1,
			PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	put(m, CAP_MSIX + PCI_MSIX_TABLE, 4, BAR_MSIX, 0);
	put(m, CAP_MSIX + PCI_MSIX_PBA, 4, IGB_MSIX_PBA_OFFSET | BAR_MSIX, 0);

	/* PCI Express, version 2, an endpoint: 2.5 GT/s, 4 lanes, payloads of 512 bytes, FLR. */
	put(m, CAP_PCIE, 2, PCI_CAP_ID_EXP | CAP_VNDR << 8, 0);
	put(m, CAP_PCIE + PCI_EXP_FLAGS, 2, 2 | PCI_EXP_TYPE_ENDPOINT << 4, 0);
	put(m, CAP_PCIE + PCI_EXP_DEVCAP, 4, 2 | PCI_EXP_DEVCAP_RBER | PCI_EXP_DEVCAP_FLR, 0);
	put(m, CAP_PCIE + PCI_EXP_DEVCTL, 2, 0x2810, 0x7FFF);
	put(m, CAP_PCIE + PCI_EXP_LNKCAP, 4, PCI_EXP_LNKCAP_SLS_2_5GB | 4 << 4, 0);
	put(m, CAP_PCIE + PCI_EXP_LNKCTL, 2, 0, 0x01FB);
	put(m, CAP_PCIE + PCI_EXP_LNKSTA, 2, PCI_EXP_LNKSTA_CLS_2_5GB | 4 << 4, 0);
	put(m, CAP_PCIE + PCI_EXP_DEVCAP2, 4, PCI_EXP_DEVCAP2_COMP_TMOUT_DIS | 0xF, 0);
	put(m, CAP_PCIE + PCI_EXP_DEVCTL2, 2, 0, 0x001F);

	put(m, CAP_VNDR, 2, IGB_VNDR_CAP_ID, 0);
	put(m, CAP_VNDR + 2, 1, IGB_VNDR_CAP_LEN, 0);
	put(m, CAP_VNDR + IGB_VNDR_CAP_SIG, 4, IGB_VNDR_CAP_SIGNATURE, 0);
	put(m, CAP_VNDR + IGB_VNDR_CAP_SPEED, 4, m->speed_mbps, 0);
	put(m, CAP_VNDR + IGB_VNDR_CAP_VERSION, 4, 2, 0);
	put(m, CAP_VNDR + IGB_VNDR_CAP_ADDR_BITS, 4, m->addr_bits, 0);

	memset(m->msix_table, 0, sizeof(m->msix_table));
	for (unsigned int i = 0; i < IGB_MSIX_VECTORS; i++)
		m->msix_table[16 * i + PCI_MSIX_ENTRY_VECTOR_CTRL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
	m82576_gate(m, M82576_GATE_BME, false);
	m82576_gate(m, M82576_GATE_INTX, true);
}

/* Forget the faults of the former client: its last writes failed after it had left. */
void
m82576_pci_attached(struct m82576 *m)
{
	m->faults_cleared = dma_faults(m);
}

int
m82576_pci_read(struct m82576 *m, uint64_t off, void *buf, size_t len)
{
	const bool intx = !(get(m, CAP_MSI + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_ENABLE) &&
			!(get(m, CAP_MSIX + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_ENABLE);
	uint32_t status = PCI_STATUS_CAP_LIST;

	/* A pending interrupt, whether or not it is disabled or masked. */
	if (intx && m82576_intr_asserted(m))
		status |= PCI_STATUS_INTERRUPT;
	if (dma_faults(m) != m->faults_cleared)
		status |= PCI_STATUS_REC_MASTER_ABORT;
	put(m, PCI_STATUS, 2, status, 0);
	put(m, CAP_MSI + PCI_MSI_PENDING_64, 4,
			vfu_server_irq_pending(m->server, VFIO_PCI_MSI_IRQ_INDEX, 0), 0);
	memcpy(buf, m->cfg + off, len);
	return 0;
}

int
m82576_pci_write(struct m82576 *m, uint64_t off, const void *buf, size_t len)
{
	const unsigned int devctl = CAP_PCIE + PCI_EXP_DEVCTL + 1, aborts = PCI_STATUS + 1;
	const uint32_t msi_mask = get(m, CAP_MSI + PCI_MSI_MASK_64, 4);
	const uint8_t *p = buf;
	size_t i;

	for (i = 0; i < len; i++) {
		uint8_t mask = m->cfg_wmask[off + i];

		m->cfg[off + i] = (uint8_t)((m->cfg[off + i] & ~mask) | (p[i] & mask));
	}
	if (!(get(m, PCI_COMMAND, 2) & PCI_COMMAND_MASTER)) {
		if (m82576_ld(&m->gates) & M82576_GATE_BME) {
			/*
			 * When the reply goes out, no access to the client's memory is in flight.
			 */
			m82576_gate(m, M82576_GATE_BME, false);
			m82576_grace_period(m);
		}
	} else {
		m82576_gate(m, M82576_GATE_BME, true);
	}
	if (get(m, PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE) {
		m82576_gate(m, M82576_GATE_INTX, false);
	} else if (!(m82576_ld(&m->gates) & M82576_GATE_INTX)) {
		m82576_gate(m, M82576_GATE_INTX, true);
		m82576_intr_unmasked(m);
	}
	if (off <= aborts && aborts < off + len &&
			p[aborts - off] & (PCI_STATUS_REC_MASTER_ABORT >> 8))
		m->faults_cleared = dma_faults(m);
	if (get(m, CAP_MSI + PCI_MSI_MASK_64, 4) != msi_mask)
		vfu_server_irq_mask(m->server, VFIO_PCI_MSI_IRQ_INDEX, 0, !msi_mask);
	if (off <= devctl && devctl < off + len && p[devctl - off] & (PCI_EXP_DEVCTL_BCR_FLR >> 8))
		m82576_reset_all(m);
	return 0;
}

int
m82576_msix_read(struct m82576 *m, uint64_t off, void *buf, size_t len)
{
	uint8_t *p = buf;
	uint32_t pba = 0;
	size_t i;

	for (i = 0; i < IGB_MSIX_VECTORS; i++)
		if (vfu_server_irq_pending(m->server, VFIO_PCI_MSIX_IRQ_INDEX, (unsigned int)i))
			pba |= 1u << i;
	for (i = 0; i < len; i++) {
		uint64_t o = off + i;

		if (o < sizeof(m->msix_table))
			p[i] = m->msix_table[o];
		else if (o >= IGB_MSIX_PBA_OFFSET && o < IGB_MSIX_PBA_OFFSET + 4)
			p[i] = (uint8_t)(pba >> (8 * (o - IGB_MSIX_PBA_OFFSET)));
		else
			p[i] = 0;
	}
	return 0;
}

int
m82576_msix_write(struct m82576 *m, uint64_t off, const void *buf, size_t len)
{
	const uint8_t *p = buf;
	size_t i;

	for (i = 0; i < len; i++) {
		uint64_t o = off + i;
		uint8_t mask = 0xFF;

		if (o >= sizeof(m->msix_table))
			break;
		if (o % 16 == PCI_MSIX_ENTRY_VECTOR_CTRL)
			mask = PCI_MSIX_ENTRY_CTRL_MASKBIT;
		else if (o % 16 > PCI_MSIX_ENTRY_VECTOR_CTRL)
			mask = 0;
		else if (o % 16 == PCI_MSIX_ENTRY_LOWER_ADDR)
			mask = 0xFC;
		m->msix_table[o] = p[i] & mask;
	}
	return 0;
}
