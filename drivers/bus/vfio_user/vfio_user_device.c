/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * One device, from its connection to its end: what it is, starting it for its driver, closing it.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include <rte_common.h>

#include "vfio_user_private.h"

#define CONFIG_SIZE PCI_CFG_SPACE_SIZE

static inline struct vfio_user_priv *
priv_of(const struct rte_vfio_user_device *dev)
{
	return dev->bus_private;
}

/*
 * Find a capability in a copy of configuration space, because a server may change the original at
 * any time. A chain that is longer than possible ends the search. The offset is a multiple of
 * four, so that the first four bytes of the capability are in the copy.
 */
static uint8_t
find_capability(const uint8_t *config, uint8_t id)
{
	unsigned int left = (CONFIG_SIZE - PCI_STD_HEADER_SIZEOF) / PCI_CAP_SIZEOF;
	uint8_t at;

	if (!(vfio_user_le16(config + PCI_STATUS) & PCI_STATUS_CAP_LIST))
		return 0;
	for (at = config[PCI_CAPABILITY_LIST] & ~3; at >= PCI_STD_HEADER_SIZEOF && left > 0;
			at = config[at + PCI_CAP_LIST_NEXT] & ~3, left--) {
		if (config[at + PCI_CAP_LIST_ID] == id)
			return at;
	}
	return 0;
}

static int
read_ids(struct rte_vfio_user_device *dev, uint8_t *config)
{
	struct vfio_user_priv *priv = priv_of(dev);
	int ret;

	ret = rte_vfio_user_read_config(dev, config, CONFIG_SIZE, 0);
	if (ret != 0) {
		VFIO_USER_LOG(ERR, dev->path, "cannot read configuration space: %s",
				strerror(-ret));
		return ret;
	}
	dev->id.vendor_id = vfio_user_le16(config + PCI_VENDOR_ID);
	dev->id.device_id = vfio_user_le16(config + PCI_DEVICE_ID);
	dev->id.class_id = config[PCI_CLASS_PROG] | config[PCI_CLASS_DEVICE] << 8 |
			config[PCI_CLASS_DEVICE + 1] << 16;
	dev->id.subsystem_vendor_id = vfio_user_le16(config + PCI_SUBSYSTEM_VENDOR_ID);
	dev->id.subsystem_device_id = vfio_user_le16(config + PCI_SUBSYSTEM_ID);
	if (dev->id.vendor_id == 0xffff || dev->id.vendor_id == 0 ||
			(config[PCI_HEADER_TYPE] & 0x7f) != PCI_HEADER_TYPE_NORMAL) {
		VFIO_USER_LOG(ERR, dev->path, "no PCI function (vendor %04x, header type %02x)",
				dev->id.vendor_id, config[PCI_HEADER_TYPE]);
		return -ENODEV;
	}
	priv->msix_cap = find_capability(config, PCI_CAP_ID_MSIX);
	if (priv->msix_cap != 0)
		dev->nb_vectors = (vfio_user_le16(config + priv->msix_cap + PCI_MSIX_FLAGS) &
						  PCI_MSIX_FLAGS_QSIZE) +
				1;
	return 0;
}

/* The log macro names the device, so leave its path out of an error line that begins with it. */
static const char *
without_path(const char *err, const char *path)
{
	const size_t len = strlen(path);

	return strncmp(err, path, len) == 0 && strncmp(err + len, ": ", 2) == 0 ? err + len + 2 :
										  err;
}

/*
 * Connect, and read which device it is. Switches nothing on. On an error vfio_user_device_close()
 * undoes what was done.
 */
int
vfio_user_device_open(struct rte_vfio_user_device *dev)
{
	struct vfio_user_priv *priv;
	struct vfu_client_params params = {
		.limit_ms = VFIO_USER_PROBE_MS,
		.queue_pages = !dev->is_pci,
		.dma_read = vfio_user_dma_read,
		.dma_write = vfio_user_dma_write,
		.lost = vfio_user_lost,
	};
	struct vfu_device_info info;
	struct vfu_region region;
	uint8_t config[CONFIG_SIZE];
	char err[VFU_ERR_LEN];
	unsigned int i;
	int ret;

	priv = calloc(1, sizeof(*priv));
	if (priv == NULL)
		return -ENOMEM;
	priv->dev = dev;
	priv->lost_fd = -1;
	for (i = 0; i < VFIO_USER_MAX_BARS; i++)
		priv->bar_files[i].fd = -1;
	TAILQ_INIT(&priv->eal_maps);
	pthread_rwlock_init(&priv->served_lock, NULL);
	pthread_mutex_init(&priv->lost_lock, NULL);
	dev->bus_private = priv;

	/* Before the connection, which may be lost from its first moment on. */
	ret = vfio_user_lost_setup(priv);
	if (ret != 0)
		return ret;

	params.opaque = priv;
	ret = vfu_client_connect(dev->path, &params, &priv->client, err);
	if (ret != 0) {
		priv->client = NULL;
		VFIO_USER_LOG(ERR, dev->path, "%s", without_path(err, dev->path));
		return ret;
	}
	ret = vfu_client_device_info(priv->client, &info);
	if (ret != 0) {
		VFIO_USER_LOG(ERR, dev->path, "cannot query the device: %s", strerror(-ret));
		return ret;
	}
	if (!(info.flags & VFIO_DEVICE_FLAGS_PCI) ||
			info.num_regions <= VFIO_PCI_CONFIG_REGION_INDEX) {
		VFIO_USER_LOG(ERR, dev->path, "not a PCI device (flags 0x%x, %u regions)",
				info.flags, info.num_regions);
		return -ENODEV;
	}
	ret = vfu_client_region_info(priv->client, VFIO_PCI_CONFIG_REGION_INDEX, &region);
	if (ret == 0 && region.fd >= 0)
		close(region.fd);
	if (ret != 0 || region.size < CONFIG_SIZE) {
		VFIO_USER_LOG(ERR, dev->path, "the device has no configuration space");
		return ret != 0 ? ret : -ENODEV;
	}
	return read_ids(dev, config);
}

/*
 * Make the device ready for the probe of its driver.
 * claimed: the device gets no EAL memory.
 */
int
vfio_user_device_start(struct rte_vfio_user_device *dev, bool claimed)
{
	struct vfio_user_priv *priv = priv_of(dev);
	int ret;

	/* EAL would not leave the vectors of queues as the bus prepares them to a PCI driver. */
	if (dev->is_pci)
		dev->nb_vectors = RTE_MIN(dev->nb_vectors, 1u);
	ret = vfio_user_bars_setup(dev);
	if (ret != 0)
		return ret;
	ret = vfio_user_dma_attach(priv, claimed);
	if (ret != 0) {
		VFIO_USER_LOG(ERR, dev->path, "cannot map EAL memory for the device: %s",
				strerror(-ret));
		return ret;
	}
	if (!claimed)
		vfio_user_pool_attach();
	ret = vfio_user_command_update(dev,
			PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
					PCI_COMMAND_INTX_DISABLE,
			0);
	if (ret != 0) {
		VFIO_USER_LOG(ERR, dev->path, "cannot switch on bus mastering: %s", strerror(-ret));
		return ret;
	}
	ret = vfio_user_intr_setup(priv);
	if (ret != 0)
		VFIO_USER_LOG(ERR, dev->path, "cannot wire the interrupts: %s", strerror(-ret));
	return ret;
}

/*
 * Undo open and start, or what a secondary process has instead, however far they came. First stop
 * the device, then take its memory away, then end the connection. After the reply to the last
 * DMA_UNMAP the device no longer writes. A server that merely notices that its client has gone may
 * still write for a moment.
 */
void
vfio_user_device_close(struct rte_vfio_user_device *dev)
{
	struct vfio_user_priv *priv = priv_of(dev);

	if (priv == NULL) {
		vfio_user_bars_teardown(dev);
		return;
	}
	vfio_user_mp_hide(priv);
	if (priv->client != NULL)
		vfu_client_limit(priv->client, VFIO_USER_CLOSE_MS);
	if (priv->client != NULL && vfu_client_alive(priv->client) && priv->dma_attached) {
		vfio_user_command_update(dev, 0, PCI_COMMAND_MASTER);
		vfu_client_reset(priv->client);
	}
	vfio_user_intr_teardown(priv);
	vfio_user_dma_detach(priv);
	if (priv->client != NULL)
		vfu_client_close(priv->client);
	vfio_user_dma_free(priv);
	vfio_user_lost_teardown(priv);
	vfio_user_bars_teardown(dev);
	pthread_rwlock_destroy(&priv->served_lock);
	pthread_mutex_destroy(&priv->lost_lock);
	dev->bus_private = NULL;
	dev->nb_vectors = 0;
	free(priv);
}

bool
rte_vfio_user_alive(const struct rte_vfio_user_device *dev)
{
	const struct vfu_client *client = vfio_user_client_of(dev);

	return client != NULL && vfu_client_alive(client);
}

bool
rte_vfio_user_quiesced(const struct rte_vfio_user_device *dev)
{
	const struct vfio_user_priv *priv = dev->bus_private;

	return priv != NULL && priv->client != NULL && vfu_client_quiesced(priv->client);
}
