/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Configuration space (chapter 9), as the bus presents it. On PCI the kernel is in between, hides
 * some capabilities and emulates others.
 */

#include <stdio.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "ma.h"

static uint8_t cfg[256];

static uint32_t
get(unsigned int off, unsigned int size)
{
	uint32_t v = 0;
	unsigned int i;

	for (i = 0; i < size; i++)
		v |= (uint32_t)cfg[(off + i) & 0xFF] << (8 * i);
	return v;
}

static void
capability(unsigned int id, unsigned int at)
{
	switch (id) {
	case PCI_CAP_ID_PM:
		ma_fact("pm.pmc", "0x%04x", get(at + PCI_PM_PMC, 2));
		break;
	case PCI_CAP_ID_MSI:
		ma_fact("msi.control", "0x%04x", get(at + PCI_MSI_FLAGS, 2));
		break;
	case PCI_CAP_ID_MSIX:
		ma_fact("msix.vectors", "%u",
				(get(at + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE) + 1);
		ma_fact("msix.table", "bar %u at 0x%x", get(at + PCI_MSIX_TABLE, 4) & 7,
				get(at + PCI_MSIX_TABLE, 4) & ~7u);
		ma_fact("msix.pba", "bar %u at 0x%x", get(at + PCI_MSIX_PBA, 4) & 7,
				get(at + PCI_MSIX_PBA, 4) & ~7u);
		break;
	case PCI_CAP_ID_EXP:
		ma_fact("pcie.version", "%u", get(at + PCI_EXP_FLAGS, 2) & PCI_EXP_FLAGS_VERS);
		ma_fact("pcie.type", "%u", (get(at + PCI_EXP_FLAGS, 2) & PCI_EXP_FLAGS_TYPE) >> 4);
		ma_fact("pcie.payload", "%u bytes",
				128u << (get(at + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_PAYLOAD));
		ma_fact("pcie.flr", "%s",
				get(at + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR ? "yes" : "no");
		ma_fact("pcie.link", "speed %u width %u",
				get(at + PCI_EXP_LNKCAP, 4) & PCI_EXP_LNKCAP_SLS,
				(get(at + PCI_EXP_LNKCAP, 4) & PCI_EXP_LNKCAP_MLW) >> 4);
		ma_fact("pcie.devcap2", "0x%08x", get(at + PCI_EXP_DEVCAP2, 4));
		break;
	}
}

void
ma_pci(void)
{
	const struct igb_bus_dev *bus = &ma_a.bus;
	char list[128] = "";
	struct igb_bar bar;
	unsigned int at, n, i;

	if (bus->ops->read_config(bus->dev, cfg, sizeof(cfg), 0) != 0)
		ma_fail("configuration space cannot be read");
	ma_fact("id", "%04x:%04x", get(PCI_VENDOR_ID, 2), get(PCI_DEVICE_ID, 2));
	ma_fact("revision", "%u", get(PCI_REVISION_ID, 1));
	ma_fact("class", "%06x", get(PCI_CLASS_PROG, 3));
	ma_fact("subsystem", "%04x:%04x", get(PCI_SUBSYSTEM_VENDOR_ID, 2),
			get(PCI_SUBSYSTEM_ID, 2));
	ma_fact("header", "%u", get(PCI_HEADER_TYPE, 1) & 0x7F);
	ma_fact("pin", "%u", get(PCI_INTERRUPT_PIN, 1));
	ma_fact("cacheline", "%u", get(PCI_CACHE_LINE_SIZE, 1));
	for (i = 0; i < 6; i++) {
		uint32_t flags = get(PCI_BASE_ADDRESS_0 + 4 * i, 4) & 0xF;
		const char *kind = "memory 32";

		if (bus->ops->bar(bus->dev, i, &bar) != 0 || bar.size == 0)
			continue;
		if (flags & PCI_BASE_ADDRESS_SPACE_IO)
			kind = "io";
		else if (flags & PCI_BASE_ADDRESS_MEM_TYPE_64)
			kind = "memory 64";
		ma_fact(ma_key("bar%u", i), "%s %llu bytes", kind, (unsigned long long)bar.size);
	}
	at = get(PCI_CAPABILITY_LIST, 1);
	for (n = 0; at != 0 && n < 48; n++, at = get(at + 1, 1)) {
		size_t len = strlen(list);

		/* gantry-nic reports the speed of its wire in a capability (igb_regs.h). */
		snprintf(list + len, sizeof(list) - len, "%s%02x@%02x", len ? " " : "", get(at, 1),
				at);
	}
	ma_fact("capabilities", "%s", list);
	at = get(PCI_CAPABILITY_LIST, 1);
	for (n = 0; at != 0 && n < 48; n++, at = get(at + 1, 1))
		capability(get(at, 1), at);
}
