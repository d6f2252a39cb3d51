/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * A port in secondary processes.
 *
 * A secondary process polls queues, which consist of shared memory and doorbells, and reads what
 * the primary process has stored. It accesses no other register: on vfio-user it has no
 * connection, and on any bus it may be killed at any moment, possibly while it holds the lock of
 * the statistics. It therefore asks the primary process (rte_mp) to update the shared memory, and
 * reads that. Only the primary process changes the port, except that a secondary process may
 * clear the counters.
 *
 * The requests arrive in the EAL IPC thread. A port is served from the end of its probe to the
 * beginning of its close, which waits for a request in progress.
 */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_eal.h>
#include <rte_string_fns.h>

#include "igb_ethdev.h"

#define IGB_MP_WAIT_S 5 /* seconds, as in EAL itself */

struct igb_mp_request {
	uint32_t op; /* enum igb_mp_op */
	uint16_t port_id;
};

static pthread_mutex_t igb_mp_lock = PTHREAD_MUTEX_INITIALIZER;
static igb_mp_serve *igb_mp_served[RTE_MAX_ETHPORTS]; /* NULL: the port is not served */

static int
igb_mp_answer(const struct rte_mp_msg *msg, const void *peer)
{
	struct rte_mp_msg out = { .len_param = sizeof(int32_t) };
	struct igb_mp_request q;
	int32_t ret = -EINVAL;

	if (msg->len_param == sizeof(q)) {
		memcpy(&q, msg->param, sizeof(q));
		ret = -ENODEV;
		pthread_mutex_lock(&igb_mp_lock);
		if (q.port_id < RTE_MAX_ETHPORTS && igb_mp_served[q.port_id] != NULL)
			ret = igb_mp_served[q.port_id](&rte_eth_devices[q.port_id], q.op);
		pthread_mutex_unlock(&igb_mp_lock);
	}
	strlcpy(out.name, msg->name, sizeof(out.name));
	memcpy(out.param, &ret, sizeof(ret));
	return rte_mp_reply(&out, peer);
}

void
igb_mp_open(struct rte_eth_dev *dev, igb_mp_serve *serve)
{
	static bool registered;

	/* Without IPC (--no-shconf, --in-memory) there are no secondary processes. */
	if (!registered && rte_mp_action_register(IGB_DRIVER_NAME, igb_mp_answer) != 0 &&
			rte_errno != ENOTSUP)
		IGB_INIT_LOG(WARNING, igb_hw_of(dev), "secondary processes get no statistics: %s",
				rte_strerror(rte_errno));
	registered = true;
	pthread_mutex_lock(&igb_mp_lock);
	igb_mp_served[dev->data->port_id] = serve;
	pthread_mutex_unlock(&igb_mp_lock);
}

void
igb_mp_close(struct rte_eth_dev *dev)
{
	pthread_mutex_lock(&igb_mp_lock);
	igb_mp_served[dev->data->port_id] = NULL;
	pthread_mutex_unlock(&igb_mp_lock);
}

int
igb_mp_ask(struct rte_eth_dev *dev, enum igb_mp_op op)
{
	/* EAL permits one request of a name at a time. */
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	const struct igb_mp_request q = { .op = op, .port_id = dev->data->port_id };
	const struct timespec wait = { .tv_sec = IGB_MP_WAIT_S };
	struct rte_mp_msg msg = { .len_param = sizeof(q) };
	struct rte_mp_reply reply;
	int32_t ret = -EIO;

	strlcpy(msg.name, IGB_DRIVER_NAME, sizeof(msg.name));
	memcpy(msg.param, &q, sizeof(q));
	pthread_mutex_lock(&lock);
	if (rte_mp_request_sync(&msg, &reply, &wait) == 0) {
		if (reply.nb_received == 1 && reply.msgs[0].len_param == sizeof(ret))
			memcpy(&ret, reply.msgs[0].param, sizeof(ret));
		free(reply.msgs);
	}
	pthread_mutex_unlock(&lock);
	if (ret == -EIO)
		IGB_DRV_LOG(ERR, igb_hw_of(dev),
				"port %u: the primary process does not answer: "
				"check that it runs, because only it accesses the device",
				dev->data->port_id);
	return ret;
}
