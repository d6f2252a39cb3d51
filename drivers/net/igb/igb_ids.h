/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * PCI IDs of the family, for the tables of the buses. igb_hw.c holds the properties that differ.
 */

#ifndef IGB_IDS_H
#define IGB_IDS_H

#include <rte_pci.h>

#include "igb_regs.h"

/* clang-format off */
#define IGB_PCI_ID(id) { \
	.class_id = RTE_CLASS_ANY_ID, \
	.vendor_id = IGB_VENDOR_ID_INTEL, \
	.device_id = (id), \
	.subsystem_vendor_id = RTE_PCI_ANY_ID, \
	.subsystem_device_id = RTE_PCI_ANY_ID }

#define IGB_PCI_IDS \
	IGB_PCI_ID(IGB_DEV_ID_82576), \
	IGB_PCI_ID(IGB_DEV_ID_82576_NS), \
	IGB_PCI_ID(IGB_DEV_ID_82576_QUAD_COPPER), \
	IGB_PCI_ID(IGB_DEV_ID_82576_QUAD_COPPER_ET2), \
	IGB_PCI_ID(IGB_DEV_ID_82576_FIBER), \
	IGB_PCI_ID(IGB_DEV_ID_82576_SERDES), \
	IGB_PCI_ID(IGB_DEV_ID_82576_NS_SERDES), \
	IGB_PCI_ID(IGB_DEV_ID_82576_SERDES_QUAD), \
	IGB_PCI_ID(IGB_DEV_ID_82580_COPPER), \
	IGB_PCI_ID(IGB_DEV_ID_I350_COPPER), \
	{ .vendor_id = 0 }
/* clang-format on */

#endif /* IGB_IDS_H */
