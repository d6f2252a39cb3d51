/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Interrupts: MSI-X vectors as event file descriptors.
 *
 * The interrupt handle looks to a driver like that of vfio: vector 0 (the "other causes" of the
 * driver) is the fd of the handle, vectors 1 and up (queues) are its efds. The bus creates and
 * wires the descriptors once; a driver only assigns vectors to causes. A driver must call neither
 * rte_intr_efd_enable() nor rte_intr_efd_disable(), which would replace or close them.
 *
 *     device --eventfd 0--> intr_handle.fd       --> interrupt thread of EAL: vector0_drain(),
 *                                                    then the callback of the driver
 *     device --eventfd n--> intr_handle.efds[n-1] --> a thread that waits for a queue
 *     loss   --eventfd----> lost_handle           --> interrupt thread of EAL: lost_event()
 *
 * The type of the handle is VDEV: for the types of vfio, EAL would make ioctls on a kernel device
 * that does not exist. The interrupt thread of EAL does not read the descriptor of a VDEV.
 * Therefore a callback of the bus, registered before every callback of the driver, reads it, and a
 * driver can use the callback that it has for vfio.
 *
 * The thread that happens to use a connection notices its end. The notice travels through one more
 * event file descriptor to the interrupt thread of EAL, because drivers and applications expect it
 * from that thread only.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include <rte_common.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_interrupts.h>
#include <rte_string_fns.h>

#include "vfio_user_private.h"

static int
make_eventfd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	return fd >= 0 ? fd : -errno;
}

static void
drain(const struct rte_vfio_user_device *dev, int fd)
{
	uint64_t count;

	/* An empty eventfd is no error: another reader was faster. */
	if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN && errno != EINTR)
		VFIO_USER_LOG(ERR, dev->path, "cannot read event file descriptor %d: %s", fd,
				strerror(errno));
}

static void
vector0_drain(void *arg)
{
	const struct rte_vfio_user_device *dev = arg;

	drain(dev, rte_intr_fd_get(dev->intr_handle));
}

/* Set the enable bit of MSI-X (PCI 3.0, 6.8.2.3), which the kernel does for a real device. */
static int
msix_enable(struct vfio_user_priv *priv, bool on)
{
	uint32_t at = priv->msix_cap + PCI_MSIX_FLAGS;
	uint8_t b[2];
	int ret;

	ret = rte_vfio_user_read_config(priv->dev, b, sizeof(b), at);
	if (ret != 0)
		return ret;
	b[1] &= ~((PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8);
	if (on)
		b[1] |= PCI_MSIX_FLAGS_ENABLE >> 8;
	return rte_vfio_user_write_config(priv->dev, b, sizeof(b), at);
}

int
vfio_user_intr_setup(struct vfio_user_priv *priv)
{
	struct rte_vfio_user_device *dev = priv->dev;
	int fds[1 + RTE_MAX_RXTX_INTR_VEC_ID];
	struct rte_intr_handle *handle;
	struct vfu_irq_info info = { 0 };
	unsigned int i;
	int ret;

	handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	if (handle == NULL)
		return -ENOMEM;
	dev->intr_handle = handle;
	rte_intr_type_set(handle, RTE_INTR_HANDLE_VDEV);
	rte_intr_fd_set(handle, -1);
	rte_intr_dev_fd_set(handle, -1);
	rte_intr_efd_counter_size_set(handle, sizeof(uint64_t));

	ret = vfu_client_irq_info(priv->client, VFIO_PCI_MSIX_IRQ_INDEX, &info);
	if (ret != 0)
		return ret;
	dev->nb_vectors = RTE_MIN(dev->nb_vectors, info.count);
	dev->nb_vectors = RTE_MIN(dev->nb_vectors, (uint32_t)RTE_DIM(fds));
	if (dev->nb_vectors == 0) {
		VFIO_USER_LOG(INFO, dev->path, "no MSI-X vectors: no interrupts");
		return 0;
	}

	for (i = 0; i < dev->nb_vectors; i++) {
		fds[i] = make_eventfd();
		if (fds[i] < 0)
			return fds[i];
		/* From here on teardown finds the descriptor. */
		if (i == 0) {
			rte_intr_fd_set(handle, fds[i]);
		} else {
			rte_intr_efds_index_set(handle, i - 1, fds[i]);
			rte_intr_nb_efd_set(handle, i);
		}
	}
	rte_intr_max_intr_set(handle, dev->nb_vectors);

	ret = rte_intr_callback_register(handle, vector0_drain, dev);
	if (ret != 0)
		return ret;
	priv->irqs_wired = true;

	ret = vfu_client_set_irq_fds(priv->client, VFIO_PCI_MSIX_IRQ_INDEX, 0, dev->nb_vectors,
			fds);
	if (ret != 0)
		return ret;
	return msix_enable(priv, true);
}

void
vfio_user_intr_teardown(struct vfio_user_priv *priv)
{
	struct rte_vfio_user_device *dev = priv->dev;
	struct rte_intr_handle *handle = dev->intr_handle;
	int i;

	if (handle == NULL)
		return;
	if (priv->irqs_wired) {
		if (vfu_client_alive(priv->client)) {
			msix_enable(priv, false);
			vfu_client_set_irq_fds(priv->client, VFIO_PCI_MSIX_IRQ_INDEX, 0, 0, NULL);
		}
		rte_intr_callback_unregister_sync(handle, vector0_drain, dev);
	}
	rte_intr_free_epoll_fd(handle);
	for (i = 0; i < rte_intr_nb_efd_get(handle); i++)
		close(rte_intr_efds_index_get(handle, i));
	if (rte_intr_fd_get(handle) >= 0)
		close(rte_intr_fd_get(handle));
	rte_intr_vec_list_free(handle);
	rte_intr_instance_free(handle);
	dev->intr_handle = NULL;
}

/* Wake the interrupt thread of EAL. */
void
vfio_user_lost_again(struct vfio_user_priv *priv)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&priv->lost_lock);
	if (priv->lost_fd >= 0 && write(priv->lost_fd, &one, sizeof(one)) < 0)
		VFIO_USER_LOG(ERR, priv->dev->path, "cannot notify the driver of the loss: %s",
				strerror(errno));
	pthread_mutex_unlock(&priv->lost_lock);
}

/* The connection is lost. Called by the receiving thread of the client, or any other thread. */
void
vfio_user_lost(void *opaque, const char *why)
{
	struct vfio_user_priv *priv = opaque;

	VFIO_USER_LOG(ERR, priv->dev->path, "the device is lost: %s", why);
	vfio_user_lost_again(priv);
}

/* Report the loss of the device, in the interrupt thread of EAL. */
static void
lost_event(void *arg)
{
	struct vfio_user_priv *priv = arg;
	struct rte_vfio_user_device *dev = priv->dev;
	char name[RTE_DEV_NAME_MAX_LEN];

	drain(dev, rte_intr_fd_get(priv->lost_handle));
	/* Not before the probe of the driver has succeeded; probe_one() repeats the event then. */
	if (dev->device.driver == NULL || priv->lost_reported)
		return;
	priv->lost_reported = true;
	/*
	 * Copy the name first, because the application may remove the device inside the callback.
	 */
	strlcpy(name, dev->owner->name, sizeof(name));
	if (dev->driver->lost != NULL)
		dev->driver->lost(dev);
	rte_dev_event_callback_process(name, RTE_DEV_EVENT_REMOVE);
}

int
vfio_user_lost_setup(struct vfio_user_priv *priv)
{
	int fd, ret;

	fd = make_eventfd();
	if (fd < 0)
		return fd;
	priv->lost_fd = fd;
	priv->lost_handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	if (priv->lost_handle == NULL)
		return -ENOMEM;
	rte_intr_type_set(priv->lost_handle, RTE_INTR_HANDLE_EXT);
	rte_intr_fd_set(priv->lost_handle, fd);
	ret = rte_intr_callback_register(priv->lost_handle, lost_event, priv);
	if (ret != 0) {
		rte_intr_instance_free(priv->lost_handle);
		priv->lost_handle = NULL;
	}
	return ret;
}

static void
lost_close(struct rte_intr_handle *handle, void *arg)
{
	close(rte_intr_fd_get(handle));
}

/* May be called twice. After it, lost_event() does not run, and no thread writes to lost_fd. */
void
vfio_user_lost_teardown(struct vfio_user_priv *priv)
{
	int fd;

	pthread_mutex_lock(&priv->lost_lock);
	fd = priv->lost_fd;
	priv->lost_fd = -1;
	pthread_mutex_unlock(&priv->lost_lock);

	if (priv->lost_handle != NULL) {
		/*
		 * Inside lost_event() this thread cannot wait for its end: EAL unregisters it
		 * afterwards.
		 */
		if (rte_thread_is_intr() &&
				rte_intr_callback_unregister_pending(priv->lost_handle, lost_event,
						priv, lost_close) > 0)
			fd = -1;
		else
			rte_intr_callback_unregister_sync(priv->lost_handle, lost_event, priv);
		rte_intr_instance_free(priv->lost_handle);
		priv->lost_handle = NULL;
	}
	if (fd >= 0)
		close(fd);
}
