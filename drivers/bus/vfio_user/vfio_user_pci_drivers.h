/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The drivers of the PCI bus of DPDK, for a device that this bus does not know. They must not be
 * walked while a plugin is being loaded.
 */

#ifndef VFIO_USER_PCI_DRIVERS_H
#define VFIO_USER_PCI_DRIVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/queue.h>

#include <bus_driver.h>
#include <bus_pci_driver.h>

#include "dpdk_compat.h"

#if GANTRY_PCI_DRIVERS_IN_BUS

static inline struct rte_pci_driver *
pci_driver_next(const struct rte_pci_driver *drv)
{
	const struct rte_bus *bus = rte_bus_find_by_name("pci");
	struct rte_driver *next = NULL;

	if (drv != NULL)
		next = TAILQ_NEXT(&drv->driver, next);
	else if (bus != NULL)
		next = TAILQ_FIRST(&bus->driver_list);
	return next != NULL ? container_of(next, struct rte_pci_driver, driver) : NULL;
}

#else

/*
 * The list is private to the PCI bus. Its links are in its elements, though: a driver that is put
 * at its end leads back to the first one.
 */
static inline struct rte_pci_driver *
pci_driver_first(void)
{
	TAILQ_HEAD(drivers, rte_pci_driver);
	static struct rte_pci_driver mark = { .driver.name = "mark" };
	struct rte_pci_driver *drv = &mark, *before;

	rte_pci_register(&mark);
	while ((before = TAILQ_PREV(drv, drivers, next)) != NULL)
		drv = before;
	rte_pci_unregister(&mark);
	return drv != &mark ? drv : NULL;
}

/** Return the driver behind @p drv. @param drv  NULL: return the first one. @return NULL: none */
static inline struct rte_pci_driver *
pci_driver_next(const struct rte_pci_driver *drv)
{
	return drv != NULL ? TAILQ_NEXT(drv, next) : pci_driver_first();
}

#endif

static inline bool
pci_id_is(uint32_t want, uint32_t any, uint32_t have)
{
	return want == any || want == have;
}

/** Report whether a table of ids, which ends with vendor_id 0, has the id of a device. */
static inline bool
pci_id_in(const struct rte_pci_id *table, const struct rte_pci_id *id)
{
	const struct rte_pci_id *t;

	for (t = table; t->vendor_id != 0; t++) {
		if (pci_id_is(t->vendor_id, RTE_PCI_ANY_ID, id->vendor_id) &&
				pci_id_is(t->device_id, RTE_PCI_ANY_ID, id->device_id) &&
				pci_id_is(t->subsystem_vendor_id, RTE_PCI_ANY_ID,
						id->subsystem_vendor_id) &&
				pci_id_is(t->subsystem_device_id, RTE_PCI_ANY_ID,
						id->subsystem_device_id) &&
				pci_id_is(t->class_id, RTE_CLASS_ANY_ID, id->class_id))
			return true;
	}
	return false;
}

#endif /* VFIO_USER_PCI_DRIVERS_H */
