/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Events: what the application is notified of, and a lost device.
 *
 * The bus calls igb_ethdev_lost() when its device is gone; the watchdog does so if only the
 * registers show it.
 */

#include <pthread.h>

#include "igb_ethdev.h"

/*
 * Ports that may be notified of the loss of their device. The removal event arrives in the EAL
 * interrupt thread, possibly while the application closes the port because its calls have
 * failed. The lock keeps the port open until the notification is complete, and a closed port gets
 * none. The lock is recursive because the application may close the port in the callback.
 */
static pthread_mutex_t open_lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static struct rte_eth_dev *open_ports[RTE_MAX_ETHPORTS];

void
igb_event_enable(struct rte_eth_dev *dev, bool enable)
{
	pthread_mutex_lock(&open_lock);
	open_ports[dev->data->port_id] = enable ? dev : NULL;
	pthread_mutex_unlock(&open_lock);
}

/* Report an event in the interrupt thread, for a port whose close() waits for that thread. */
void
igb_event_report(struct rte_eth_dev *dev, enum rte_eth_event_type event)
{
	bool open;

	pthread_mutex_lock(&open_lock);
	open = open_ports[dev - rte_eth_devices] == dev;
	pthread_mutex_unlock(&open_lock);
	if (open)
		rte_eth_dev_callback_process(dev, event, NULL);
}

void
igb_ethdev_lost(const struct rte_device *device)
{
	uint16_t i;

	pthread_mutex_lock(&open_lock);
	for (i = 0; i < RTE_MAX_ETHPORTS; i++)
		if (open_ports[i] != NULL && open_ports[i]->device == device)
			break;
	if (i < RTE_MAX_ETHPORTS && !igb_adapter_of(open_ports[i])->removal_reported) {
		struct rte_eth_dev *dev = open_ports[i];
		struct igb_hw *hw = igb_hw_of(dev);

		igb_adapter_of(dev)->removal_reported = true;
		hw->lost = true;
		IGB_DRV_LOG(ERR, hw,
				"port %u: the device was removed, and is no longer accessed: "
				"close the port",
				i);
		if (igb_link_update(dev, 0) == 0)
			igb_event_report(dev, RTE_ETH_EVENT_INTR_LSC);
		/* Not sent if that callback has closed the port. */
		igb_event_report(dev, RTE_ETH_EVENT_INTR_RMV);
	}
	pthread_mutex_unlock(&open_lock);
}
