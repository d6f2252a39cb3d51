/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The server of lib/vfio_user, opposite a client that sends any message, file descriptor and
 * answer.
 *
 * One server runs for the whole campaign, and each input is one client of it. The input is one
 * byte of options (whether VERSION comes first, and which capabilities it names), then steps: a
 * byte that selects one of enum step, and its operands. A message step names a command, builds
 * a message that is nearly valid, changes some of its bytes, adds descriptors of the listed
 * kinds, and sends the whole or a part of it. A poll step makes the polling thread translate,
 * read, write or interrupt. If the access needs DMA_READ or DMA_WRITE, the bytes that follow
 * select the client's answer. The polling thread waits for that answer, or turns to the next
 * step at once.
 *
 *    main thread: the client            server (lib/vfio_user)         poll_thread(): the device
 *    run_step() -> message() --socket--> control thread -> dev_ops
 *        |                                    |
 *        |      <--DMA_READ, DMA_WRITE--------+<------- vfu_dma_read(), vfu_dma_write()
 *        |  answer() ----------------->       |                               ^
 *        `------- work.job, work.given ------------------------------------- do_job()
 *        <------- work_done (eventfd) ----------------------------------------'
 *
 * The target follows the stream that it sends, so it knows how many replies are due, and waits
 * for them before the next step, see settle(): the control thread and the polling thread work
 * one after the other, except where a poll step requests concurrent work.
 *
 * Beyond the sanitizers, the target watches that
 * - every complete command is answered, or the connection ends,
 * - an error reply consists of a header only,
 * - nothing of a client remains when its connection has ended: mappings, bytes, page table,
 *   posted writes, file descriptors.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fuzz_files.h"
#include "vfu_rcu.h"
#include "vfu_server.h"

#define PAGE      4096u
#define MEM_PAGES 16u
#define TABLE_NR  64u
#define BAR0_SIZE 0x20000u
#define MAX_STEPS 200u

static struct vfu_server *server;
static char path[64];
static uint8_t bar[BAR0_SIZE], config[256];
static atomic_int attached, detached;
static int queue_pages = -1, bar2_pages = -1;

/* The device. */

static void
dev_attached(void *opaque)
{
	attached++;
}

static void
dev_detached(void *opaque, const char *why)
{
	MUST(why[0] != '\0');
	detached++;
}

static int
dev_queue_pages(void *opaque)
{
	return queue_pages;
}

static int
dev_read(void *opaque, unsigned int region, uint64_t offset, void *buf, size_t len)
{
	MUST(region == 0 || region == 7);
	MUST(len <= (region == 0 ? sizeof(bar) : sizeof(config)) - offset);
	if (offset == 0x100)
		return -EIO;
	memcpy(buf, (region == 0 ? bar : config) + offset, len);
	return 0;
}

static int
dev_write(void *opaque, unsigned int region, uint64_t offset, const void *buf, size_t len)
{
	if (region == 1)
		return 0;
	MUST(region == 0 || region == 7);
	MUST(len <= (region == 0 ? sizeof(bar) : sizeof(config)) - offset);
	if (offset == 0x100)
		return -EIO;
	memcpy((region == 0 ? bar : config) + offset, buf, len);
	/* A device queries its vectors when a driver writes a register that masks one. */
	if (region == 7 && offset < 25) {
		vfu_server_irq_mask(server, VFIO_PCI_MSIX_IRQ_INDEX, (unsigned int)offset,
				config[offset] & 1);
		vfu_server_irq_pending(server, VFIO_PCI_MSIX_IRQ_INDEX, (unsigned int)offset);
		vfu_server_irq_wired(server, VFIO_PCI_MSIX_IRQ_INDEX, (unsigned int)offset);
	}
	return 0;
}

static int
dev_reset(void *opaque)
{
	return config[0x40] == 0xEE ? -EIO : 0;
}

static void
dev_irqs_changed(void *opaque, unsigned int irq_index)
{
	MUST(irq_index < VFU_SRV_IRQS);
}

static void
dev_refused(void *opaque, const char *line)
{
	MUST(line[0] != '\0' && strchr(line, '\n') == NULL);
}

static const struct vfu_server_ops dev_ops = {
	.attached = dev_attached,
	.queue_pages = dev_queue_pages,
	.detached = dev_detached,
	.region_read = dev_read,
	.region_write = dev_write,
	.reset = dev_reset,
	.irqs_changed = dev_irqs_changed,
	.refused = dev_refused,
};

/* The polling thread, which does one job at a time. */

enum job { JOB_READ, JOB_WRITE, JOB_PTR, JOB_IRQ, JOB_LOOK, NR_JOBS };

static struct {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool given;
	enum job job;
	uint64_t iova;
	uint32_t len, prot;
	unsigned int index, vector;
	bool hurry; /* the polling thread does not wait for the access to complete */
} work = { .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };
static int work_done = -1; /* an eventfd: the job is done */

static void
count_entry(void *arg, const struct vfu_dma_entry *e)
{
	MUST(e->size != 0);
	++*(unsigned int *)arg;
}

static void
do_job(void)
{
	static uint8_t buf[65536];
	static volatile uint8_t sink;
	unsigned int entries = 0;
	volatile uint8_t *p;
	int ret;

	switch (work.job) {
	case JOB_READ:
		/* Request the data, and call again until it has arrived. */
		for (unsigned int i = 0; (ret = vfu_dma_read(server, work.vector, work.iova, buf,
							  work.len)) == -EAGAIN &&
				!work.hurry;
				i++) {
			MUST(i < TIMEOUT_S * 50000);
			vfu_rcu_quiescent();
			vfu_rcu_offline();
			if (i < 100)
				sched_yield();
			else
				usleep(20);
			vfu_rcu_online();
		}
		if (ret == -EAGAIN)
			vfu_dma_cancel(server, work.vector);
		else
			MUST(ret == 0 || ret == -EFAULT);
		if (ret == -EFAULT)
			vfu_dma_why_text(vfu_dma_last_fault());
		break;
	case JOB_WRITE:
		ret = vfu_dma_write(server, work.iova, buf, work.len);
		MUST(ret == 0 || ret == -EFAULT);
		if (ret != 0)
			vfu_dma_why_text(vfu_dma_last_fault());
		/* In a hurry, the posted writes are still in flight during the next steps. */
		if (!work.hurry)
			vfu_dma_wait(server);
		break;
	case JOB_PTR:
		vfu_dma_paged(server);
		vfu_dma_by_message(server);
		vfu_dma_busy(server);
		p = vfu_dma_ptr(server, work.iova, work.len, work.prot);
		if (p == NULL)
			break;
		MUST(work.len != 0);
		if (work.prot & VFU_DMA_WRITE) {
			p[0] = p[work.len - 1] = 0x5A;
		} else {
			sink = p[0];
			sink = p[work.len - 1];
		}
		(void)sink;
		break;
	case JOB_IRQ:
		vfu_server_irq(server, work.index, work.vector);
		break;
	case JOB_LOOK:
		vfu_server_dma_for_each(server, count_entry, &entries);
		vfu_server_peer_gone(server);
		vfu_server_peer(server);
		vfu_server_dma_poisoned(server);
		break;
	case NR_JOBS:
		break;
	}
}

static void *
poll_thread(void *arg)
{
	static const uint64_t one = 1;

	vfu_rcu_register();
	for (;;) {
		vfu_rcu_offline();
		pthread_mutex_lock(&work.lock);
		while (!work.given)
			pthread_cond_wait(&work.cond, &work.lock);
		work.given = false;
		pthread_mutex_unlock(&work.lock);
		vfu_rcu_online();
		do_job();
		vfu_rcu_quiescent();
		vfu_rcu_offline();
		MUST(write(work_done, &one, sizeof(one)) == sizeof(one));
	}
	return NULL;
}

/*
 * The client, and the files that it shares. The target restores those that an input changed before
 * it runs the next input.
 */

enum kind {
	MEM_SEALED,
	MEM_OPEN,
	MEM_READ_ONLY,
	TABLE,
	EVENT,
	EVENT_BLOCKING,
	PIPE_IN,
	PIPE_OUT,
	SOCKET,
	DEV_NULL,
	DIRECTORY,
	NR_KINDS
};

static int files[NR_KINDS];
static uint64_t *table;
static bool truncated;

/* The position in the stream of sent bytes, and how many replies are due. */
static struct {
	int sock; /* -1: the connection has ended */
	struct vfio_user_header hdr;
	size_t got;
	unsigned int due;
	bool working;  /* the polling thread has a job */
	bool answered; /* a complete reply was sent */
} cl;

static void
end_connection(void)
{
	char buf[4096];
	struct pollfd pfd = { .events = POLLIN };

	if (cl.sock < 0)
		return;
	shutdown(cl.sock, SHUT_WR);
	/* The server closes its end after it has released everything that belongs to the client. */
	pfd.fd = cl.sock;
	for (;;) {
		MUST(poll(&pfd, 1, TIMEOUT_S * 1000) == 1);
		if (recv(cl.sock, buf, sizeof(buf), 0) <= 0)
			break;
	}
	close(cl.sock);
	cl.sock = -1;
}

static void
begin_connection(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	memset(&cl, 0, sizeof(cl));
	cl.sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	MUST(cl.sock >= 0);
	strcpy(sa.sun_path, path);
	MUST(connect(cl.sock, (struct sockaddr *)&sa, sizeof(sa)) == 0);
}

/* Follow the sent bytes: each complete command that requests a reply makes one reply due. */
static void
follow(const uint8_t *p, size_t len)
{
	while (len != 0) {
		size_t n;

		if (cl.got < sizeof(cl.hdr)) {
			n = sizeof(cl.hdr) - cl.got < len ? sizeof(cl.hdr) - cl.got : len;
			memcpy((uint8_t *)&cl.hdr + cl.got, p, n);
		} else {
			n = cl.hdr.msg_size - cl.got < len ? cl.hdr.msg_size - cl.got : len;
		}
		cl.got += n;
		p += n;
		len -= n;
		if (cl.got < sizeof(cl.hdr))
			return;
		if (cl.hdr.msg_size < sizeof(cl.hdr) || cl.hdr.msg_size > VFU_MSG_MAX ||
				(cl.hdr.flags & VFIO_USER_F_TYPE_MASK) > 1)
			return; /* the server ends the connection */
		if (cl.got == cl.hdr.msg_size) {
			cl.got = 0;
			if ((cl.hdr.flags & (VFIO_USER_F_TYPE_MASK | VFIO_USER_F_NO_REPLY)) == 0)
				cl.due++;
			cl.answered |= (cl.hdr.flags & VFIO_USER_F_TYPE_MASK) ==
					VFIO_USER_F_TYPE_REPLY;
		}
	}
}

static void
send_bytes(const void *buf, size_t len, const int *fds, unsigned int nr_fds)
{
	ssize_t n;

	if (len == 0 || cl.sock < 0)
		return;
	n = send_fds(cl.sock, buf, len, fds, nr_fds, MSG_DONTWAIT);
	if (n > 0)
		follow(buf, (size_t)n);
}

/**
 * Read len bytes, and close the descriptors that come with them.
 *
 * @return false if the connection has ended
 */
static bool
read_bytes(void *buf, size_t len)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(16 * sizeof(int))];
	} ctl;
	uint8_t *p = buf;

	while (len != 0) {
		struct iovec iov = { .iov_base = p, .iov_len = len };
		struct msghdr mh = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = ctl.buf,
			.msg_controllen = sizeof(ctl.buf),
		};
		ssize_t n = recvmsg(cl.sock, &mh, MSG_CMSG_CLOEXEC);
		struct cmsghdr *c;

		if (n <= 0)
			return false;
		for (c = CMSG_FIRSTHDR(&mh); c != NULL; c = CMSG_NXTHDR(&mh, c)) {
			for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
				int fd;

				memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
				close(fd);
			}
		}
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static void message(struct input *in);

/* Answer a DMA_READ or DMA_WRITE of the server; the program selects the answer. */
static void
answer(struct input *in, const struct vfio_user_header *h, const uint8_t *body, size_t len)
{
	static uint8_t out[VFU_MSG_MAX];
	struct vfio_user_header r = {
		.msg_id = h->msg_id,
		.cmd = h->cmd,
		.flags = VFIO_USER_F_TYPE_REPLY,
	};
	struct vfio_user_dma_access a;
	uint8_t how = in_uint8(in);

	MUST(h->cmd == VFIO_USER_DMA_READ || h->cmd == VFIO_USER_DMA_WRITE);
	MUST(len >= sizeof(a));
	memcpy(&a, body, sizeof(a));
	MUST(a.count <= 65536);
	MUST(len == sizeof(a) + (h->cmd == VFIO_USER_DMA_WRITE ? a.count : 0));

	if (how & 0x80) /* another message first */
		message(in);
	len = sizeof(r) + sizeof(a) + (h->cmd == VFIO_USER_DMA_READ ? a.count : 0);
	switch (how & 7) {
	case 0: /* a correct answer */
		break;
	case 1:
		r.flags |= VFIO_USER_F_ERROR;
		r.error_no = in_uint32(in);
		len = sizeof(r);
		break;
	case 2:
		r.msg_id += in_uint8(in);
		break;
	case 3:
		r.cmd = in_uint16(in);
		break;
	case 4:
		a.count = in_uint64(in);
		break;
	case 5:
		a.addr = in_uint64(in);
		break;
	case 6:
		len = sizeof(r) + in_uint16(in) % (len - sizeof(r) + 64);
		break;
	case 7: /* no answer */
		end_connection();
		return;
	}
	r.msg_size = (uint32_t)len;
	memset(out, how, len < sizeof(r) + sizeof(a) ? sizeof(r) + sizeof(a) : len);
	memcpy(out, &r, sizeof(r));
	memcpy(out + sizeof(r), &a, sizeof(a));
	cl.answered = false;
	send_bytes(out, len, NULL, 0);
	/*
	 * The answer completed a message that began earlier, so the server would wait until its
	 * time limit.
	 */
	if (!cl.answered)
		end_connection();
}

/* Process messages of the server until no reply is due and the polling thread has done its job. */
static void
settle(struct input *in)
{
	static uint8_t body[VFU_MSG_MAX];

	while (cl.working || (cl.due != 0 && cl.sock >= 0)) {
		struct pollfd pfd[2] = { { .fd = cl.sock, .events = POLLIN },
			{ .fd = cl.working ? work_done : -1, .events = POLLIN } };
		struct vfio_user_header h;
		uint64_t v;

		MUST(poll(pfd, 2, TIMEOUT_S * 1000) > 0);
		if (pfd[1].revents != 0) {
			MUST(read(work_done, &v, sizeof(v)) == sizeof(v));
			cl.working = false;
			continue;
		}
		if (pfd[0].revents == 0)
			continue;
		if (!read_bytes(&h, sizeof(h))) {
			end_connection();
			continue;
		}
		MUST(h.msg_size >= sizeof(h) && h.msg_size <= VFU_MSG_MAX);
		if (!read_bytes(body, h.msg_size - sizeof(h))) {
			end_connection();
			continue;
		}
		if ((h.flags & VFIO_USER_F_TYPE_MASK) == VFIO_USER_F_TYPE_COMMAND) {
			answer(in, &h, body, h.msg_size - sizeof(h));
			continue;
		}
		MUST((h.flags & VFIO_USER_F_TYPE_MASK) == VFIO_USER_F_TYPE_REPLY);
		MUST(!(h.flags & VFIO_USER_F_ERROR) || h.msg_size == sizeof(h));
		MUST(cl.due != 0);
		cl.due--;
	}
}

static const char *const versions[] = {
	("{\"capabilities\":{\"max_msg_fds\":16,\"" VFU_CAP_IO_PAGE_TABLE
	 "\":1,\"" VFU_CAP_QUEUE_PAGES "\":1}}"),
	"",
	"{\"capabilities\":{\"max_msg_fds\":8}}",
	"{\"capabilities\":{\"max_data_xfer_size\":4096,\"" VFU_CAP_IO_PAGE_TABLE "\":2}}",
	"{\"capabilities\":{\"max_dma_maps\":4,\"pgsizes\":4096,\"migration\":{\"pgsize\":4096}}}",
	"{}",
	("{\"capabilities\":{\"twin_socket\":{\"supported\":true,\"fd_index\":0},"
	 "\"write_multiple\":true}}"),
	"[1,2",
};

/* clang-format off */
static const uint16_t commands[] = {
	VFIO_USER_VERSION, VFIO_USER_DMA_MAP, VFIO_USER_DMA_UNMAP, VFIO_USER_DEVICE_GET_INFO,
	VFIO_USER_DEVICE_GET_REGION_INFO, VFIO_USER_DEVICE_GET_REGION_IO_FDS,
	VFIO_USER_DEVICE_GET_IRQ_INFO, VFIO_USER_DEVICE_SET_IRQS, VFIO_USER_REGION_READ,
	VFIO_USER_REGION_WRITE, VFIO_USER_DMA_READ, VFIO_USER_DMA_WRITE, VFIO_USER_DEVICE_RESET,
	VFIO_USER_REGION_WRITE_MULTI, VFIO_USER_DEVICE_FEATURE, VFIO_USER_IO_PAGE_TABLE,
};
/* clang-format on */

static uint64_t
pages(struct input *in)
{
	return (uint64_t)in_uint8(in) * PAGE;
}

static size_t
irqs_payload(struct input *in, uint8_t *p)
{
	struct vfio_irq_set set;
	uint8_t a, b;
	size_t len;

	a = in_uint8(in);
	b = in_uint8(in);
	set = (struct vfio_irq_set){
		.argsz = sizeof(set),
		.index = a >> 5,
		.flags = (1u << a % 4) | (VFIO_IRQ_SET_ACTION_MASK << (a >> 2 & 3)),
		.start = b % 32,
		.count = b >> 5,
	};
	memcpy(p, &set, sizeof(set));
	len = sizeof(set);
	if (set.flags & VFIO_IRQ_SET_DATA_BOOL)
		len += in_bytes(in, p + len, set.count);
	return len;
}

static size_t
access_payload(struct input *in, uint16_t cmd, uint8_t *p)
{
	struct vfio_user_region_access access;
	uint8_t a;
	size_t len;

	memset(&access, 0, sizeof(access));
	a = in_uint8(in);
	access.region = a & 0x80 ? a % 16 : a & 1 ? 7 : 0;
	access.offset = in_uint16(in);
	access.count = in_uint8(in);
	if (a & 0x40)
		access.count *= 0x400;
	memcpy(p, &access, sizeof(access));
	len = sizeof(access);
	if (cmd == VFIO_USER_REGION_WRITE) {
		access.count %= 0x100;
		memcpy(p, &access, sizeof(access));
		in_bytes(in, p + len, access.count);
		len += access.count;
	}
	return len;
}

static size_t
writes_payload(struct input *in, uint8_t *p)
{
	struct vfio_user_region_write wr;
	uint64_t nr;
	uint8_t a;

	nr = in_uint8(in) % 8;
	memcpy(p, &nr, sizeof(nr));
	for (unsigned int i = 0; i < nr; i++) {
		wr = (struct vfio_user_region_write){ .offset = in_uint16(in) };
		a = in_uint8(in);
		wr.region = a & 0x80 ? 7 : a >> 5 & 1;
		wr.count = a % 10;
		in_bytes(in, wr.data, 2);
		memcpy(p + sizeof(nr) + i * sizeof(wr), &wr, sizeof(wr));
	}
	return sizeof(nr) + nr * sizeof(wr);
}

/**
 * Build the payload of a nearly valid command.
 *
 * @return the length of the payload, bytes
 */
static size_t
payload(struct input *in, uint16_t cmd, uint8_t *p)
{
	union {
		struct vfio_user_dma_map map;
		struct vfio_user_dma_unmap unmap;
		struct vfio_user_io_page_table table;
		struct vfio_user_device_info info;
		struct vfio_user_region_io_fds io_fds;
		struct vfio_region_info region;
		struct vfio_irq_info irq;
	} u;
	uint8_t a;
	size_t len;

	memset(&u, 0, sizeof(u));
	switch (cmd) {
	case VFIO_USER_VERSION:
		memcpy(p, "\0\0\1\0", 4);
		strcpy((char *)p + 4, versions[in_uint8(in) % 8]);
		return 4 + strlen((char *)p + 4) + 1;
	case VFIO_USER_DMA_MAP:
		a = in_uint8(in);
		u.map = (struct vfio_user_dma_map){ .argsz = sizeof(u.map), .flags = a };
		u.map.offset = pages(in);
		u.map.addr = pages(in);
		u.map.size = pages(in);
		len = sizeof(u.map);
		break;
	case VFIO_USER_DMA_UNMAP:
		a = in_uint8(in);
		u.unmap = (struct vfio_user_dma_unmap){ .argsz = sizeof(u.unmap) };
		u.unmap.flags = a == 255 ? VFIO_DMA_UNMAP_FLAG_ALL : 0;
		u.unmap.addr = pages(in);
		u.unmap.size = pages(in);
		len = sizeof(u.unmap);
		break;
	case VFIO_USER_IO_PAGE_TABLE:
		u.table = (struct vfio_user_io_page_table){ .argsz = sizeof(u.table) };
		u.table.base = pages(in);
		u.table.nr = in_uint8(in);
		len = sizeof(u.table);
		break;
	case VFIO_USER_DEVICE_GET_INFO:
		u.info.argsz = sizeof(u.info);
		len = sizeof(u.info);
		break;
	case VFIO_USER_DEVICE_GET_REGION_INFO:
		a = in_uint8(in);
		u.region.index = a % 16;
		u.region.argsz = a & 0x80 ? 32 : 256;
		len = sizeof(u.region);
		break;
	case VFIO_USER_DEVICE_GET_REGION_IO_FDS:
		u.io_fds.argsz = sizeof(u.io_fds);
		u.io_fds.index = in_uint8(in) % 16;
		len = sizeof(u.io_fds);
		break;
	case VFIO_USER_DEVICE_GET_IRQ_INFO:
		u.irq.argsz = sizeof(u.irq);
		u.irq.index = in_uint8(in) % 8;
		len = sizeof(u.irq);
		break;
	case VFIO_USER_DEVICE_SET_IRQS:
		return irqs_payload(in, p);
	case VFIO_USER_REGION_READ:
	case VFIO_USER_REGION_WRITE:
		return access_payload(in, cmd, p);
	case VFIO_USER_REGION_WRITE_MULTI:
		return writes_payload(in, p);
	default:
		return in_bytes(in, p, in_uint8(in) % 64);
	}
	memcpy(p, &u, len);
	return len;
}

/*
 * Send a message, or a part of one.
 *
 * A message begins with a u8: the command (255: a u16 follows). The operands of the payload
 * follow, see payload(). Then comes a u8, whose operands follow in the order 7, 0 to 2, 3, 5:
 *   bits 0 to 2  how many bytes to change: each u16 where, u8 xor
 *   bit 3        descriptors accompany the message: u8 how many, u8 each
 *   bit 4        the client requests no reply
 *   bit 5        the message goes out in two parts: u8 where
 *   bit 6        the second part is not sent
 *   bit 7        the header has another length: u16
 */
static void
message(struct input *in)
{
	static uint8_t buf[2048];
	struct vfio_user_header h = { .msg_id = 7 };
	unsigned int nr_fds = 0;
	int fds[32];
	uint8_t a = in_uint8(in), how;
	size_t len, cut;

	h.cmd = a == 255 ? in_uint16(in) : commands[a % 16];
	len = sizeof(h) + payload(in, h.cmd, buf + sizeof(h));
	how = in_uint8(in);
	h.flags = how & 16 ? VFIO_USER_F_NO_REPLY : 0;
	h.msg_size = (uint32_t)len;
	if (how & 0x80) {
		uint16_t size = in_uint16(in);

		h.msg_size = size;
		if (size >= sizeof(h) && size < len)
			len = size;
	}
	memcpy(buf, &h, sizeof(h));
	for (unsigned int i = how & 7; i > 0; i--) {
		uint16_t at = in_uint16(in);

		buf[at % len] ^= in_uint8(in);
	}
	if (how & 8) {
		nr_fds = in_uint8(in) % 20;
		for (unsigned int i = 0; i < nr_fds; i++)
			fds[i] = files[in_uint8(in) % NR_KINDS];
	}
	if (how & 32) {
		cut = 1 + in_uint8(in) % len;
		send_bytes(buf, cut, fds, nr_fds);
		if (!(how & 64))
			send_bytes(buf + cut, len - cut, fds, how & 1 ? nr_fds : 0);
	} else {
		send_bytes(buf, len, fds, nr_fds);
	}
}

enum step {
	STEP_MESSAGE, /* see message() */
	STEP_RAW,     /* u8 length, bytes */
	STEP_POLL,    /* u8 job, u16 offset and u8 page, u16 length; or index and vector */
	STEP_PTE,     /* u8 entry, u8 page, u8 permission */
	STEP_FILES,   /* u8: truncate the memory, or signal an eventfd */
	STEP_DROP,    /* the server's owner drops the client */
	STEP_OTHER,   /* another client connects; u8 how many bytes of VERSION it sends */
	STEP_AGAIN,   /* the next client, without VERSION */
	NR_STEPS
};

static void
send_version(unsigned int which)
{
	uint8_t buf[512];
	struct vfio_user_header h = { .msg_id = 1, .cmd = VFIO_USER_VERSION };

	memcpy(buf + sizeof(h), "\0\0\1\0", 4);
	strcpy((char *)buf + sizeof(h) + 4, versions[which % 8]);
	h.msg_size = (uint32_t)(sizeof(h) + 4 + strlen(versions[which % 8]) + 1);
	memcpy(buf, &h, sizeof(h));
	send_bytes(buf, h.msg_size, NULL, 0);
}

static void
poll_step(struct input *in)
{
	uint8_t a = in_uint8(in);

	pthread_mutex_lock(&work.lock);
	work.job = a % NR_JOBS;
	work.iova = in_uint16(in) % PAGE;
	work.iova += in_uint8(in) * (uint64_t)PAGE;
	if (a & 0x80)
		work.iova = ~work.iova;
	work.len = in_uint16(in);
	work.prot = a & 0x40 ? VFU_DMA_WRITE : VFU_DMA_READ;
	work.index = work.iova / PAGE % 8;
	work.vector = work.len % VFU_DMA_SLOTS;
	work.hurry = a & 0x20;
	work.given = true;
	cl.working = true;
	pthread_cond_signal(&work.cond);
	pthread_mutex_unlock(&work.lock);
}

/* Connect another client while the first one is served. The server refuses it, sooner or later. */
static void
other_client(struct input *in)
{
	static const uint8_t version[24] = { 1, 0, 1, 0, 24 };
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	uint8_t n = in_uint8(in), buf[64];

	MUST(s >= 0);
	strcpy(sa.sun_path, path);
	/*
	 * Do not wait for room in the backlog: the server accepts no client while it waits for an
	 * answer of this thread.
	 */
	if (connect(s, (struct sockaddr *)&sa, sizeof(sa)) != 0) {
		MUST(errno == EAGAIN);
		close(s);
		return;
	}
	MUST(fcntl(s, F_SETFL, 0) == 0);
	if (n != 0 && send(s, version, n % (sizeof(version) + 1), MSG_NOSIGNAL) < 0)
		n = 0;
	if (n == sizeof(version) && cl.sock >= 0) {
		struct pollfd pfd = { .fd = s, .events = POLLIN };

		MUST(poll(&pfd, 1, TIMEOUT_S * 1000) == 1);
		MUST(recv(s, buf, sizeof(buf), 0) >= 0 || errno == ECONNRESET);
	}
	close(s);
}

static void
run_step(struct input *in)
{
	uint8_t a, b, buf[256];
	size_t len;

	switch ((enum step)(in_uint8(in) % NR_STEPS)) {
	case STEP_MESSAGE:
		message(in);
		break;
	case STEP_RAW:
		len = in_bytes(in, buf, in_uint8(in));
		send_bytes(buf, len, NULL, 0);
		break;
	case STEP_POLL:
		poll_step(in);
		break;
	case STEP_PTE:
		a = in_uint8(in);
		b = in_uint8(in);
		table[a % TABLE_NR] = (uint64_t)b * PAGE + in_uint8(in);
		break;
	case STEP_FILES:
		a = in_uint8(in);
		if (a & 0x80) {
			eventfd_write(files[a & 1 ? EVENT : EVENT_BLOCKING], 1);
		} else {
			MUST(ftruncate(files[MEM_OPEN], (off_t)(a % MEM_PAGES) * PAGE) == 0);
			truncated = true;
		}
		break;
	case STEP_DROP:
		vfu_server_drop_client(server, "the owner's wish");
		end_connection();
		break;
	case STEP_OTHER:
		other_client(in);
		break;
	case STEP_AGAIN:
		end_connection();
		begin_connection();
		break;
	case NR_STEPS:
		break;
	}
	settle(in);
}

static void
remove_socket(void)
{
	unlink(path);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const uint32_t rw = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	struct vfu_server_desc desc = { .dma_timeout_ms = TIMEOUT_S * 1000 };
	char err[VFU_ERR_LEN], link[64];
	pthread_t thread;
	int fds[2];

	files[MEM_SEALED] = memory(MEM_PAGES * PAGE, F_SEAL_SHRINK);
	files[MEM_OPEN] = memory(MEM_PAGES * PAGE, 0);
	files[TABLE] = memory(TABLE_NR * 8, F_SEAL_SHRINK);
	table = mmap(NULL, TABLE_NR * 8, PROT_READ | PROT_WRITE, MAP_SHARED, files[TABLE], 0);
	MUST(table != MAP_FAILED);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", files[MEM_SEALED]);
	files[MEM_READ_ONLY] = open(link, O_RDONLY | O_CLOEXEC);
	files[EVENT] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	files[EVENT_BLOCKING] = eventfd(0, EFD_CLOEXEC);
	MUST(pipe2(fds, O_CLOEXEC) == 0);
	files[PIPE_IN] = fds[0];
	files[PIPE_OUT] = fds[1];
	files[SOCKET] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	files[DEV_NULL] = open("/dev/null", O_RDWR | O_CLOEXEC);
	files[DIRECTORY] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned int i = 0; i < NR_KINDS; i++)
		MUST(files[i] >= 0);
	work_done = eventfd(0, EFD_CLOEXEC);
	queue_pages = memory(BAR0_SIZE, F_SEAL_SHRINK);
	bar2_pages = memory(BAR0_SIZE, F_SEAL_SHRINK);

	for (unsigned int i = 0; i < VFU_SRV_REGIONS; i++)
		desc.regions[i].fd = -1;
	desc.regions[0].size = BAR0_SIZE;
	desc.regions[0].flags = rw;
	desc.regions[0].nr_areas = 2;
	desc.regions[0].areas[0].offset = 0xc000;
	desc.regions[0].areas[0].size = PAGE;
	desc.regions[0].areas[1].offset = 0xe000;
	desc.regions[0].areas[1].size = PAGE;
	desc.regions[1].size = 0x40;
	desc.regions[1].flags = VFIO_REGION_INFO_FLAG_WRITE;
	desc.regions[2].size = BAR0_SIZE;
	desc.regions[2].flags = VFIO_REGION_INFO_FLAG_MMAP;
	desc.regions[2].fd = bar2_pages;
	desc.regions[7].size = sizeof(config);
	desc.regions[7].flags = rw;
	desc.irq_counts[VFIO_PCI_INTX_IRQ_INDEX] = 1;
	desc.irq_counts[VFIO_PCI_MSI_IRQ_INDEX] = 1;
	desc.irq_counts[VFIO_PCI_MSIX_IRQ_INDEX] = 25;
	snprintf(path, sizeof(path), "/tmp/gantry-fuzz-server-%d", (int)getpid());
	if (vfu_server_start(path, &desc, &dev_ops, NULL, &server, err) != 0) {
		fprintf(stderr, "%s\n", err);
		exit(1);
	}
	atexit(remove_socket);
	MUST(pthread_create(&thread, NULL, poll_thread, NULL) == 0);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned int runs;
	struct input in = { data, size };
	struct vfu_server_stats st;
	uint8_t how = in_uint8(&in);

	if (truncated)
		MUST(ftruncate(files[MEM_OPEN], MEM_PAGES * PAGE) == 0);
	truncated = false;
	for (unsigned int i = 0; i < TABLE_NR; i++)
		table[i] = i * PAGE | VFU_PTE_READ | VFU_PTE_WRITE;
	memset(bar, 0, sizeof(bar));
	memset(config, 0, sizeof(config));

	begin_connection();
	if (!(how & 0x80)) {
		send_version(how);
		settle(&in);
	}
	for (unsigned int i = 0; i < MAX_STEPS && in.left != 0; i++)
		run_step(&in);
	end_connection();
	for (unsigned int i = 0;; i++) {
		vfu_server_get_stats(server, &st);
		if (!st.client)
			break;
		MUST(i < TIMEOUT_S * 10000);
		usleep(100);
	}
	MUST(st.dma_maps == 0 && st.dma_bytes == 0 && st.ptes == 0 && st.dma_posted == 0);
	MUST(attached == detached);
	if (runs++ % 1024 == 0)
		check_leaks();
	return 0;
}
