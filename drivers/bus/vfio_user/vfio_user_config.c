/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Registers and configuration space, by message.
 *
 * A driver reaches registers in two ways. By message it reaches any register: the server carries
 * the access out and replies. Through memory that the server shares (vfio_user_bar.c), it reaches
 * only the areas that the server offers for mapping: an access there is a plain load or store,
 * which the device notices when it next polls. A driver uses messages for every register with side
 * effects, and the mapping where speed matters.
 */

#include <errno.h>
#include <string.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include <rte_byteorder.h>

#include "vfio_user_private.h"

struct vfu_client *
vfio_user_client_of(const struct rte_vfio_user_device *dev)
{
	const struct vfio_user_priv *priv = dev->bus_private;

	return priv != NULL ? priv->client : NULL;
}

int
rte_vfio_user_read32(struct rte_vfio_user_device *dev, unsigned int bar, uint32_t offset,
		uint32_t *value)
{
	struct vfu_client *client = vfio_user_client_of(dev);
	int ret = client == NULL ? -ENOTSUP : -EINVAL;

	if (client != NULL && bar < VFIO_USER_MAX_BARS)
		ret = vfu_client_region_read(client, bar, offset, value, sizeof(*value));
	if (ret != 0)
		*value = UINT32_MAX;
	else
		*value = rte_le_to_cpu_32(*value);
	return ret;
}

int
rte_vfio_user_write32(struct rte_vfio_user_device *dev, unsigned int bar, uint32_t offset,
		uint32_t value)
{
	struct vfu_client *client = vfio_user_client_of(dev);

	if (client == NULL)
		return -ENOTSUP;
	if (bar >= VFIO_USER_MAX_BARS)
		return -EINVAL;
	value = rte_cpu_to_le_32(value);
	return vfu_client_region_write(client, bar, offset, &value, sizeof(value));
}

int
rte_vfio_user_read_config(struct rte_vfio_user_device *dev, void *buf, size_t len, uint32_t offset)
{
	struct vfu_client *client = vfio_user_client_of(dev);
	int ret = client == NULL ? -ENOTSUP :
				   vfu_client_region_read(client, VFIO_PCI_CONFIG_REGION_INDEX,
						   offset, buf, len);

	if (ret != 0)
		memset(buf, 0xff, len);
	return ret;
}

int
rte_vfio_user_write_config(struct rte_vfio_user_device *dev, const void *buf, size_t len,
		uint32_t offset)
{
	struct vfu_client *client = vfio_user_client_of(dev);

	return client == NULL ? -ENOTSUP :
				vfu_client_region_write(client, VFIO_PCI_CONFIG_REGION_INDEX,
						offset, buf, len);
}

int
vfio_user_command_update(struct rte_vfio_user_device *dev, uint16_t set, uint16_t clear)
{
	uint8_t b[2];
	uint16_t cmd;
	int ret;

	ret = rte_vfio_user_read_config(dev, b, sizeof(b), PCI_COMMAND);
	if (ret != 0)
		return ret;
	cmd = (vfio_user_le16(b) | set) & ~clear;
	b[0] = cmd & 0xff;
	b[1] = cmd >> 8;
	return rte_vfio_user_write_config(dev, b, sizeof(b), PCI_COMMAND);
}
