/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Interrupts.
 *
 * With MSI-X (datasheet 7.3.1.3), vector 0 serves link changes, and receive queue q has vector
 * 1 + q, which is the numbering of EAL. IVAR assigns a vector to each queue; EIMS, EIMC and EIAC
 * have one bit per vector. Queue vectors are auto-cleared (EIAC), because nothing reads EICR for
 * them, and auto-masked (EIAM): the application arms each interrupt.
 *
 * A device may have fewer vectors than queues (the 82576 of QEMU has 10). The remaining queues then
 * share vector 0. Each has an event file descriptor like the others, but the handler in the EAL
 * interrupt thread writes to it. The device does not report which of these queues raised the
 * interrupt, so the handler wakes all that are armed. While such a queue is not armed, its IVAR
 * entry is not valid, and its frames raise no interrupt.
 *
 * Without MSI-X there is one interrupt, and ICR indicates its cause.
 *
 * Besides the link, the device reports its own errors (8.8.9): FER, one of its memories was
 * corrupted, and DOUTSYNC, transmit DMA is out of sync. Both are always armed, and reported as
 * RTE_ETH_EVENT_INTR_RESET, because only a reset helps.
 */

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_interrupts.h>
#include <rte_malloc.h>

#include "igb_rxtx.h"

#define MISC_VECTOR 0

#define IGB_ICR_ERRORS (IGB_ICR_FER | IGB_ICR_DOUTSYNC)

/* Return the causes for which the miscellaneous interrupt is armed. */
static uint32_t
igb_misc_causes(const struct rte_eth_dev *dev)
{
	return IGB_ICR_ERRORS | (dev->data->dev_conf.intr_conf.lsc ? IGB_ICR_LSC : 0);
}

static uint32_t
igb_queue_vector(const struct igb_adapter *ad, uint16_t queue_id)
{
	const uint32_t own = RTE_INTR_VEC_RXTX_OFFSET + queue_id;

	return own < ad->nb_vectors ? own : MISC_VECTOR;
}

/* Point receive queue `q` at a vector, or at none. */
static void
igb_set_ivar(struct igb_hw *hw, uint16_t q, uint32_t vector, bool valid)
{
	uint32_t reg = IGB_IVAR_REG(q), shift = IGB_IVAR_SHIFT(q, false);

	if (hw->ctl->ivar_by_pair) {
		reg = IGB_IVAR(q / 2);
		shift = q & 1 ? 16 : 0;
	}
	igb_set(hw, reg, (vector | (valid ? IGB_IVAR_VALID : 0)) << shift, 0xFFu << shift);
}

/* Arm a queue without its own vector. Locked, because an IVAR register serves two queues. */
static void
igb_shared_arm(struct rte_eth_dev *dev, uint16_t queue_id, bool on)
{
	struct igb_adapter *ad = igb_adapter_of(dev);

	rte_spinlock_lock(&ad->intr_lock);
	igb_set_ivar(&ad->hw, queue_id, MISC_VECTOR, on);
	if (on)
		ad->intr_armed |= 1u << queue_id;
	else
		ad->intr_armed &= ~(1u << queue_id);
	rte_spinlock_unlock(&ad->intr_lock);
}

/* Wake those of these queues that are armed, and disarm them. */
static void
igb_shared_wake(struct rte_eth_dev *dev, uint32_t queues)
{
	struct igb_adapter *ad = igb_adapter_of(dev);
	uint16_t q;

	rte_spinlock_lock(&ad->intr_lock);
	queues &= ad->intr_armed;
	ad->intr_armed &= ~queues;
	for (q = 0; queues != 0; q++, queues >>= 1) {
		if (!(queues & 1))
			continue;
		igb_set_ivar(&ad->hw, q, MISC_VECTOR, false);
		if (eventfd_write(rte_intr_efds_index_get(dev->intr_handle, q), 1) != 0)
			IGB_DRV_LOG(ERR, &ad->hw, "rx queue %u: cannot raise its interrupt: %s", q,
					strerror(errno));
	}
	rte_spinlock_unlock(&ad->intr_lock);
}

/*
 * Add event file descriptors for the queues without a vector, behind those of the bus, which has
 * one per vector.
 */
static int
igb_shared_on(struct rte_eth_dev *dev)
{
	const struct igb_adapter *ad = igb_adapter_of(dev);
	uint16_t q;
	int fd;

	for (q = ad->nb_vectors - 1; q < dev->data->nb_rx_queues; q++) {
		fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (fd < 0)
			return -errno;
		if (rte_intr_efds_index_set(dev->intr_handle, q, fd) != 0 ||
				rte_intr_nb_efd_set(dev->intr_handle, q + 1) != 0) {
			close(fd);
			return -rte_errno;
		}
	}
	return 0;
}

static void
igb_shared_off(struct rte_eth_dev *dev)
{
	struct igb_adapter *ad = igb_adapter_of(dev);
	struct rte_intr_handle *ih = dev->intr_handle;
	const int own = ad->nb_vectors - 1;
	int i;

	rte_spinlock_lock(&ad->intr_lock);
	ad->intr_armed = 0;
	rte_spinlock_unlock(&ad->intr_lock);
	if (rte_intr_nb_efd_get(ih) <= own)
		return;
	rte_intr_free_epoll_fd(ih);
	for (i = own; i < rte_intr_nb_efd_get(ih); i++)
		close(rte_intr_efds_index_get(ih, i));
	rte_intr_nb_efd_set(ih, own);
}

static void
igb_interrupt_handler(void *arg)
{
	struct rte_eth_dev *dev = arg;
	struct igb_adapter *ad = igb_adapter_of(dev);
	struct igb_hw *hw = &ad->hw;
	bool link_changed;
	uint32_t icr;

	if (hw->bus->intr_drain != NULL)
		hw->bus->intr_drain(hw->bus_dev);
	/* A read clears the causes. */
	icr = igb_rd(hw, IGB_ICR);
	if (icr == UINT32_MAX && !igb_hw_alive(hw))
		return; /* the bus, or the watchdog, calls igb_ethdev_lost() */
	link_changed = icr & IGB_ICR_LSC && igb_link_update(dev, 0) == 0;
	if (link_changed)
		IGB_DRV_LOG(INFO, hw, "link %s, %u Mb/s",
				dev->data->dev_link.link_status ? "up" : "down",
				dev->data->dev_link.link_speed);
	if (icr & IGB_ICR_ERRORS)
		IGB_DRV_LOG(ERR, hw, "port %u: ICR 0x%x: %s: reset the port", ad->port_id, icr,
				icr & IGB_ICR_FER ? "the device reports a fatal error (FER)" :
						    "transmit DMA is out of sync (DOUTSYNC)");
	igb_shared_wake(dev, UINT32_MAX);
	/* Arm again. A cause that arrived in the meantime is still in ICR, and fires at once. */
	if (ad->intr_msix) {
		igb_wr(hw, IGB_EIMS, 1u << MISC_VECTOR);
	} else {
		igb_wr(hw, IGB_IMS, igb_misc_causes(dev));
		rte_intr_ack(dev->intr_handle);
	}
	/* Last, because the application may close the port in its callback. */
	if (link_changed)
		igb_event_report(dev, RTE_ETH_EVENT_INTR_LSC);
	if (icr & IGB_ICR_ERRORS)
		igb_event_report(dev, RTE_ETH_EVENT_INTR_RESET);
}

int
igb_intr_setup(struct rte_eth_dev *dev)
{
	struct igb_adapter *ad = igb_adapter_of(dev);
	int ret;

	if (dev->intr_handle == NULL || rte_intr_fd_get(dev->intr_handle) < 0) {
		IGB_INIT_LOG(WARNING, &ad->hw, "no interrupt: link changes are not reported");
		dev->data->dev_flags &= ~RTE_ETH_DEV_INTR_LSC;
		return 0;
	}
	ret = rte_intr_callback_register(dev->intr_handle, igb_interrupt_handler, dev);
	if (ret < 0) {
		IGB_INIT_LOG(ERR, &ad->hw, "cannot register the interrupt handler: %s",
				strerror(-ret));
		return ret;
	}
	ad->intr_registered = true;
	return 0;
}

void
igb_intr_teardown(struct rte_eth_dev *dev)
{
	struct igb_adapter *ad = igb_adapter_of(dev);
	unsigned int tries;
	int ret;

	if (!ad->intr_registered)
		return;
	ad->intr_registered = false;
	/*
	 * Unregistering returns -EAGAIN while the handler runs. In the handler itself, waiting
	 * would never end.
	 */
	for (tries = 0; tries < 1000; tries++) {
		ret = rte_intr_callback_unregister(dev->intr_handle, igb_interrupt_handler, dev);
		if (ret != -EAGAIN)
			return;
		if (rte_thread_is_intr())
			break;
		rte_delay_us_sleep(1000);
	}
	rte_intr_callback_unregister_pending(dev->intr_handle, igb_interrupt_handler, dev, NULL);
}

int
igb_intr_start(struct rte_eth_dev *dev)
{
	struct igb_adapter *ad = igb_adapter_of(dev);
	struct rte_intr_handle *ih = dev->intr_handle;
	const bool rxq = dev->data->dev_conf.intr_conf.rxq != 0;
	struct igb_hw *hw = &ad->hw;
	uint32_t vectors = 1u << MISC_VECTOR;
	uint16_t q;
	int ret;

	if (!ad->intr_registered)
		return 0;
	ad->intr_msix = ad->intr_per_queue;
	if (rxq) {
		ret = hw->bus->queue_vectors_on(hw->bus_dev,
				RTE_MIN(dev->data->nb_rx_queues, ad->nb_vectors - 1));
		if (ret == 0)
			ret = igb_shared_on(dev);
		if (ret == 0)
			ret = rte_intr_vec_list_alloc(ih, "igb_intr_vec", dev->data->nb_rx_queues);
		if (ret != 0) {
			IGB_INIT_LOG(ERR, hw, "rx interrupts for %u queues: %s",
					dev->data->nb_rx_queues, strerror(-ret));
			return ret;
		}
		for (q = 0; q < dev->data->nb_rx_queues; q++) {
			/* For EAL, a vector is the index of an event file descriptor. */
			rte_intr_vec_list_index_set(ih, q, RTE_INTR_VEC_RXTX_OFFSET + q);
			vectors |= 1u << igb_queue_vector(ad, q);
		}
	}

	if (ad->intr_msix) {
		igb_wr(hw, IGB_GPIE,
				IGB_GPIE_MULTIPLE_MSIX | IGB_GPIE_PBA | IGB_GPIE_EIAME |
						IGB_GPIE_NSICR);
		igb_wr(hw, IGB_IVAR_MISC,
				(MISC_VECTOR | IGB_IVAR_VALID) << IGB_IVAR_MISC_OTHER_SHIFT);
		for (q = 0; rxq && q < dev->data->nb_rx_queues; q++) {
			const uint32_t vector = igb_queue_vector(ad, q);

			igb_set_ivar(hw, q, vector, vector != MISC_VECTOR);
			igb_wr(hw, IGB_EITR(vector), 0);
		}
		igb_wr(hw, IGB_EIAC, vectors);
		igb_wr(hw, IGB_EIAM, vectors);
	} else {
		igb_wr(hw, IGB_GPIE, 0);
	}
	ret = rte_intr_enable(ih);
	if (ret != 0) {
		IGB_INIT_LOG(ERR, hw, "cannot enable interrupts");
		return -EIO;
	}
	ad->intr_enabled = true;
	(void)igb_rd(hw, IGB_ICR);
	igb_wr(hw, IGB_IMS, igb_misc_causes(dev));
	if (ad->intr_msix)
		igb_wr(hw, IGB_EIMS, 1u << MISC_VECTOR);
	return 0;
}

void
igb_intr_stop(struct rte_eth_dev *dev)
{
	struct igb_adapter *ad = igb_adapter_of(dev);
	struct igb_hw *hw = &ad->hw;

	if (igb_hw_alive(hw)) {
		igb_wr(hw, IGB_IMC, UINT32_MAX);
		igb_wr(hw, IGB_EIMC, UINT32_MAX);
		igb_flush(hw);
	}
	if (!ad->intr_registered)
		return;
	/* EAL logs an error if it must disable what was never enabled. */
	if (ad->intr_enabled)
		rte_intr_disable(dev->intr_handle);
	ad->intr_enabled = false;
	if (dev->data->dev_conf.intr_conf.rxq) {
		igb_shared_off(dev);
		hw->bus->queue_vectors_off(hw->bus_dev);
		rte_intr_vec_list_free(dev->intr_handle);
	}
}

int
igb_rx_queue_intr_enable(struct rte_eth_dev *dev, uint16_t queue_id)
{
	struct igb_adapter *ad = igb_adapter_of(dev);

	if (!ad->intr_msix)
		return -ENOTSUP;
	if (igb_queue_vector(ad, queue_id) == MISC_VECTOR) {
		igb_shared_arm(dev, queue_id, true);
		/*
		 * Frames that arrived before this raised no interrupt, and never will. The
		 * completion of a read proves that IVAR was written, and arrives behind all earlier
		 * descriptor writes (PCIe 2.4.1). A frame that this check does not see therefore
		 * raises an interrupt.
		 */
		(void)igb_rd(&ad->hw, IGB_STATUS);
		if (igb_rx_descriptor_status(dev->data->rx_queues[queue_id], 0) ==
				RTE_ETH_RX_DESC_DONE)
			igb_shared_wake(dev, 1u << queue_id);
		return 0;
	}
	igb_wr(&ad->hw, IGB_EIMS, 1u << igb_queue_vector(ad, queue_id));
	rte_intr_ack(dev->intr_handle);
	return 0;
}

int
igb_rx_queue_intr_disable(struct rte_eth_dev *dev, uint16_t queue_id)
{
	struct igb_adapter *ad = igb_adapter_of(dev);

	if (!ad->intr_msix)
		return -ENOTSUP;
	if (igb_queue_vector(ad, queue_id) == MISC_VECTOR)
		igb_shared_arm(dev, queue_id, false);
	else
		igb_wr(&ad->hw, IGB_EIMC, 1u << igb_queue_vector(ad, queue_id));
	return 0;
}
