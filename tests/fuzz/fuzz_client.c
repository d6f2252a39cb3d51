/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The client of lib/vfio_user, opposite a server that answers anything.
 *
 * The first byte of the input holds the number of calls (bits 0 to 4), whether the client
 * serves DMA_READ and DMA_WRITE (bit 6), and whether it negotiates the queue pages (bit 7).
 * Four bytes for each call follow: which call of vfu_client.h, and its arguments. The rest of
 * the input is the server's script, a sequence of turns, see turn(). When a command arrives,
 * the server takes turns until one of them has answered the command. When the script is over,
 * the server closes the connection. No result therefore depends on time, and no call ends by
 * its time limit.
 *
 *    input: [u8][calls: 4 bytes each][script: turns ...]
 *                   |                      |
 *             main thread             server_thread()
 *             call() -> vfu_client_*  serve() -> turn()
 *                   |                      |
 *                   +------ socket --------+
 *
 * The main thread hands the script to server_thread(), makes the calls, and waits until the
 * server has closed its end.
 *
 * Beyond the sanitizers, the target watches that
 * - the areas of a region are inside the region, and can be mapped and read,
 * - the client serves DMA_READ and DMA_WRITE only inside of what was mapped, and permitted,
 * - the client reports the loss of a connection at most once, in one line,
 * - no descriptor that a server passed stays open.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fuzz_files.h"
#include "vfu_client.h"

#define PAGE      4096u
#define MEM_SIZE  0x20000u
#define MAX_CALLS 32u

enum kind {
	MEM_SEALED,
	MEM_OPEN,
	MEM_SHORT,
	EVENT,
	PIPE_IN,
	SOCKET,
	DEV_NULL,
	DIRECTORY,
	NR_KINDS
};

static int files[NR_KINDS], events[20];
static char path[64];
static int listener;

/* The server. */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	struct input script;
	bool given, done;

	int sock;
	struct vfio_user_header asked; /* the command to answer */
	uint8_t body[65536];           /* its payload */
	size_t body_len;
	bool answered, broken;
	/* The position in the stream of sent bytes, as the client parses it. */
	struct vfio_user_header hdr;
	size_t got;
} sv = { .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };

static void
follow(const uint8_t *p, size_t len)
{
	while (len != 0) {
		size_t n = sv.got < sizeof(sv.hdr) ? sizeof(sv.hdr) - sv.got :
						     sv.hdr.msg_size - sv.got;

		if (n > len)
			n = len;
		if (sv.got < sizeof(sv.hdr))
			memcpy((uint8_t *)&sv.hdr + sv.got, p, n);
		sv.got += n;
		p += n;
		len -= n;
		if (sv.got < sizeof(sv.hdr))
			return;
		if (sv.hdr.msg_size < sizeof(sv.hdr) || sv.hdr.msg_size > VFU_MSG_MAX ||
				(sv.hdr.flags & VFIO_USER_F_TYPE_MASK) > VFIO_USER_F_TYPE_REPLY) {
			sv.broken = true;
			return;
		}
		if (sv.got == sv.hdr.msg_size) {
			sv.got = 0;
			if ((sv.hdr.flags & VFIO_USER_F_TYPE_MASK) == VFIO_USER_F_TYPE_REPLY &&
					sv.hdr.msg_id == sv.asked.msg_id)
				sv.answered = true;
		}
	}
}

static void
send_bytes(const void *buf, size_t len, const int *fds, unsigned int nr_fds)
{
	ssize_t n;

	if (len == 0 || sv.broken)
		return;
	n = send_fds(sv.sock, buf, len, fds, nr_fds, MSG_DONTWAIT);
	if (n != (ssize_t)len)
		sv.broken = true; /* the client has closed, or serves an earlier command */
	else
		follow(buf, len);
}

/**
 * Read one message.
 *
 * @param body   receives the payload; beyond room bytes, each further piece overwrites the
 *   earlier
 *
 * @return false if the client has closed the connection
 */
static bool
read_message(struct vfio_user_header *h, uint8_t *body, size_t room)
{
	if (recv(sv.sock, h, sizeof(*h), MSG_WAITALL) != (ssize_t)sizeof(*h))
		return false;
	for (size_t left = h->msg_size - sizeof(*h), n; left != 0; left -= n) {
		n = left < room ? left : room;
		if (recv(sv.sock, body, n, MSG_WAITALL) != (ssize_t)n)
			return false;
	}
	return true;
}

static const char *const versions[] = {
	("{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":1048576,\"" VFU_CAP_IO_PAGE_TABLE
	 "\":1,\"" VFU_CAP_QUEUE_PAGES "\":1}}"),
	"",
	"{\"capabilities\":{\"max_msg_fds\":1,\"max_data_xfer_size\":16}}",
	"{\"capabilities\":{\"max_msg_fds\":0}}",
};

/**
 * Build the payload of the correct answer to sv.asked.
 *
 * @param variant   selects one of the correct answers to that command
 *
 * @return the length of the payload, bytes
 */
static size_t
right_answer(uint8_t *p, uint8_t variant)
{
	static const struct vfio_region_info_cap_sparse_mmap cap = {
		.header = { .id = VFIO_REGION_INFO_CAP_SPARSE_MMAP, .version = 1 },
		.nr_areas = 2,
	};
	static const struct vfio_region_sparse_mmap_area areas[2] = {
		{ 0xc000, PAGE },
		{ 0xe000, PAGE },
	};
	struct vfio_region_info region = {
		.flags = 15,
		.cap_offset = sizeof(region),
		.size = MEM_SIZE,
	};
	struct vfio_irq_info irq = { .argsz = sizeof(irq), .flags = 1, .count = 3 };
	struct vfio_user_device_info info = { sizeof(info), 3, 9, 5 };
	struct vfio_user_region_access a;

	switch (sv.asked.cmd) {
	case VFIO_USER_VERSION:
		memcpy(p, "\0\0\1\0", 4);
		strcpy((char *)p + 4, versions[variant % 4]);
		return 4 + strlen(versions[variant % 4]) + 1;
	case VFIO_USER_DEVICE_GET_INFO:
		memcpy(p, &info, sizeof(info));
		return sizeof(info);
	case VFIO_USER_DEVICE_GET_REGION_INFO:
		region.argsz = variant & 2 ? 1000 : sizeof(region) + sizeof(cap) + sizeof(areas);
		memcpy(&region.index, sv.body + 8, 4);
		if (variant & 1) { /* all of the region can be mapped */
			region.flags = 7;
			region.argsz = sizeof(region);
		}
		memcpy(p, &region, sizeof(region));
		memcpy(p + sizeof(region), &cap, sizeof(cap));
		memcpy(p + sizeof(region) + sizeof(cap), areas, sizeof(areas));
		return region.argsz < 100 ? region.argsz :
					    sizeof(region) + sizeof(cap) + sizeof(areas);
	case VFIO_USER_DEVICE_GET_IRQ_INFO:
		memcpy(&irq.index, sv.body + 8, 4);
		memcpy(p, &irq, sizeof(irq));
		return sizeof(irq);
	case VFIO_USER_REGION_READ:
		memcpy(&a, sv.body, sizeof(a));
		memcpy(p, &a, sizeof(a));
		memset(p + sizeof(a), 0x11, a.count);
		return sizeof(a) + a.count;
	case VFIO_USER_REGION_WRITE:
		memcpy(p, sv.body, 16);
		return 16;
	case VFIO_USER_DMA_UNMAP:
		memcpy(p, sv.body, sizeof(struct vfio_user_dma_unmap));
		return sizeof(struct vfio_user_dma_unmap);
	default:
		return 0;
	}
}

/*
 * Take one turn: send a message, or a part of one.
 *
 * A turn begins with a u8. Its bits 0 to 2 select the message:
 *   0  the correct answer
 *   1  a variant of it: u8
 *   2  an answer with another payload: u8 length, bytes
 *   3  an error: u32
 *   4  DMA_READ or DMA_WRITE: u8 pages, u16 offset, u16 length, u8 flags
 *   5  another command: u16, u8 length, bytes
 *   6  an answer to another command: u8 added to the id, u16 command
 *   7  bytes without a header: u8 length, bytes
 * The other bits change it; their operands follow in the order 7, 3, 4, 5:
 *   bit 3  bytes of the message change: u8 how many, each u16 where, u8 xor
 *   bit 4  descriptors accompany it: u8 how many, u8 each
 *   bit 5  the message is sent in two parts: u8 where
 *   bit 6  the second part is not sent
 *   bit 7  the header, if there is one, has another length: u32
 */
static void
turn(struct input *in)
{
	static uint8_t buf[VFU_MSG_MAX + 256];
	struct vfio_user_header h = {
		.msg_id = sv.asked.msg_id,
		.cmd = sv.asked.cmd,
		.flags = VFIO_USER_F_TYPE_REPLY,
	};
	struct vfio_user_dma_access dma;
	uint8_t how = in_uint8(in), *p = buf + sizeof(h), a;
	unsigned int nr_fds = 0;
	size_t len = 0, cut;
	int fds[32];

	switch (how & 7) {
	case 0:
		len = right_answer(p, 0);
		break;
	case 1:
		len = right_answer(p, in_uint8(in));
		break;
	case 2:
		len = in_bytes(in, p, in_uint8(in));
		break;
	case 3:
		h.flags |= VFIO_USER_F_ERROR;
		h.error_no = in_uint32(in);
		break;
	case 4:
		dma.addr = in_uint8(in) * (uint64_t)PAGE;
		dma.addr += in_uint16(in);
		dma.count = in_uint16(in);
		a = in_uint8(in);
		h.cmd = a & 1 ? VFIO_USER_DMA_WRITE : VFIO_USER_DMA_READ;
		h.flags = a & 2 ? VFIO_USER_F_NO_REPLY : 0;
		h.msg_id = a;
		memcpy(p, &dma, sizeof(dma));
		len = sizeof(dma);
		if (a & 1) {
			memset(p + len, a, dma.count);
			len += dma.count;
		}
		break;
	case 5:
		h.cmd = in_uint16(in);
		h.flags = 0;
		len = in_bytes(in, p, in_uint8(in));
		break;
	case 6:
		h.msg_id += in_uint8(in);
		h.cmd = in_uint16(in);
		break;
	case 7:
		len = in_bytes(in, buf, in_uint8(in));
		break;
	}
	if ((how & 7) != 7) {
		len += sizeof(h);
		h.msg_size = (uint32_t)len;
		if (how & 0x80)
			h.msg_size = in_uint32(in);
		memcpy(buf, &h, sizeof(h));
	}
	if (how & 8 && len != 0) {
		for (unsigned int i = in_uint8(in) % 8; i > 0; i--) {
			uint16_t at = in_uint16(in);

			buf[at % len] ^= in_uint8(in);
		}
	}
	if (how & 16) {
		nr_fds = in_uint8(in) % 20;
		for (unsigned int i = 0; i < nr_fds; i++)
			fds[i] = files[in_uint8(in) % NR_KINDS];
	}
	if (how & 32 && len != 0) {
		cut = 1 + in_uint8(in) % len;
		send_bytes(buf, cut, fds, nr_fds);
		if (!(how & 64))
			send_bytes(buf + cut, len - cut, fds, nr_fds);
	} else {
		send_bytes(buf, len, fds, nr_fds);
	}
}

static void
serve(struct input *in)
{
	sv.got = 0;
	sv.broken = false;
	while (!sv.broken && read_message(&sv.asked, sv.body, sizeof(sv.body))) {
		if ((sv.asked.flags & VFIO_USER_F_TYPE_MASK) != VFIO_USER_F_TYPE_COMMAND)
			continue; /* the client's answer to DMA_READ or the like */
		for (sv.answered = false; !sv.answered && !sv.broken; turn(in)) {
			if (in->left == 0)
				return;
		}
	}
}

static void *
server_thread(void *arg)
{
	for (;;) {
		pthread_mutex_lock(&sv.lock);
		while (!sv.given)
			pthread_cond_wait(&sv.cond, &sv.lock);
		sv.given = false;
		pthread_mutex_unlock(&sv.lock);
		sv.sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		MUST(sv.sock >= 0);
		serve(&sv.script);
		close(sv.sock);
		pthread_mutex_lock(&sv.lock);
		sv.done = true;
		pthread_cond_signal(&sv.cond);
		pthread_mutex_unlock(&sv.lock);
	}
	return NULL;
}

/* The client's owner. */

/* The mappings that exist, or are about to exist. */
static struct {
	uint64_t iova, size;
	uint32_t prot;
} maps[MAX_CALLS];
static unsigned int nr_maps;
static pthread_mutex_t maps_lock = PTHREAD_MUTEX_INITIALIZER;
static int losses;

static void
check_dma(uint64_t iova, size_t len, uint32_t prot)
{
	bool found = false;

	MUST(len != 0 && len <= 65536);
	pthread_mutex_lock(&maps_lock);
	for (unsigned int i = 0; i < nr_maps; i++)
		found |= (maps[i].prot & prot) == prot && iova >= maps[i].iova &&
				len <= maps[i].size && iova - maps[i].iova <= maps[i].size - len;
	pthread_mutex_unlock(&maps_lock);
	MUST(found);
}

static int
dma_read(void *opaque, uint64_t iova, void *buf, size_t len)
{
	check_dma(iova, len, VFU_DMA_READ);
	memset(buf, 0x22, len);
	return iova % PAGE == 0x123 ? -EIO : 0;
}

static int
dma_write(void *opaque, uint64_t iova, const void *buf, size_t len)
{
	static uint8_t sink[65536];

	check_dma(iova, len, VFU_DMA_WRITE);
	memcpy(sink, buf, len);
	return 0;
}

static void
lost(void *opaque, const char *why)
{
	losses++;
	MUST(why[0] != '\0' && strchr(why, '\n') == NULL);
}

/*
 * Use a region as the driver does: check its areas, map each one, and read its first and last
 * byte.
 */
static void
use_region(struct vfu_region *r)
{
	MUST(r->nr_areas <= VFU_MAX_AREAS);
	for (unsigned int i = 0; i < r->nr_areas; i++)
		MUST(r->areas[i].size != 0 && r->areas[i].offset <= r->size &&
				r->areas[i].size <= r->size - r->areas[i].offset &&
				(r->areas[i].offset | r->areas[i].size) % PAGE == 0);
	if (r->fd < 0)
		return;
	MUST(r->flags & VFIO_REGION_INFO_FLAG_MMAP);
	for (unsigned int i = 0; i < (r->nr_areas != 0 ? r->nr_areas : 1); i++) {
		uint64_t at = r->nr_areas != 0 ? r->areas[i].offset : 0;
		uint64_t size = r->nr_areas != 0 ? r->areas[i].size : r->size;
		volatile uint8_t *p = mmap(NULL, size, PROT_READ, MAP_SHARED, r->fd,
				(off_t)(r->fd_offset + at));

		if (p == MAP_FAILED)
			continue;
		(void)p[0];
		(void)p[size - 1];
		munmap((void *)(uintptr_t)p, size);
	}
	close(r->fd);
}

static void
call(struct vfu_client *c, const uint8_t op[4])
{
	static uint8_t buf[65536];
	struct vfu_device_info info;
	struct vfu_irq_info irq;
	struct vfu_region region;
	unsigned int n = op[1] % 20;
	int ret = 0, fds[20];

	switch (op[0] % 12) {
	case 0:
		ret = vfu_client_device_info(c, &info);
		break;
	case 1:
		ret = vfu_client_region_info(c, op[1], &region);
		MUST(ret == 0 || region.fd < 0);
		if (ret == 0)
			use_region(&region);
		break;
	case 2:
		ret = vfu_client_irq_info(c, op[1], &irq);
		break;
	case 3:
		ret = vfu_client_region_read(c, op[1], op[2], buf,
				op[3] & 0x80 ? op[3] * 64u : op[3]);
		break;
	case 4:
		ret = vfu_client_region_write(c, op[1], op[2], buf,
				op[3] & 0x80 ? op[3] * 64u : op[3]);
		break;
	case 5:
		for (unsigned int i = 0; i < n; i++)
			fds[i] = op[2] >> i % 8 & 1 ? -1 : events[i];
		ret = vfu_client_set_irq_fds(c, op[3] % 5, op[3] >> 5, n, op[3] & 8 ? NULL : fds);
		break;
	case 6:
		ret = vfu_client_unmask_irqs(c, op[1] % 5, op[2], op[3]);
		break;
	case 7:
		pthread_mutex_lock(&maps_lock);
		maps[nr_maps].iova = op[1] * PAGE;
		maps[nr_maps].size = (1u + op[2] % 8) * PAGE;
		maps[nr_maps++].prot = 1 + op[3] % 3;
		pthread_mutex_unlock(&maps_lock);
		ret = vfu_client_dma_map(c, op[3] & 0x80 ? files[MEM_OPEN] : -1, 0, op[1] * PAGE,
				(1u + op[2] % 8) * PAGE, 1 + op[3] % 3);
		break;
	case 8:
		ret = vfu_client_dma_unmap(c, op[1] * PAGE, (1u + op[2] % 8) * PAGE);
		break;
	case 9:
		ret = vfu_client_page_table(c, files[MEM_SEALED], op[1] * PAGE, op[2]);
		break;
	case 10:
		ret = vfu_client_reset(c);
		break;
	case 11:
		vfu_client_alive(c);
		vfu_client_quiesced(c);
		/*
		 * Far in the future, or none: this target does not test the calls' own time
		 * limits.
		 */
		vfu_client_limit(c, op[1] & 1 ? TIMEOUT_S * 1000 : 0);
		break;
	}
	/* Only the client may report that the connection is lost. */
	MUST(ret <= 0 && ret != -ETIMEDOUT && (ret != -ENODEV || !vfu_client_alive(c)));
}

static void
remove_socket(void)
{
	unlink(path);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	pthread_t thread;
	int fds[2];

	files[MEM_SEALED] = memory(MEM_SIZE, F_SEAL_SHRINK);
	files[MEM_OPEN] = memory(MEM_SIZE, 0);
	files[MEM_SHORT] = memory(PAGE, F_SEAL_SHRINK);
	files[EVENT] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	MUST(pipe2(fds, O_CLOEXEC) == 0);
	files[PIPE_IN] = fds[0];
	files[SOCKET] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	files[DEV_NULL] = open("/dev/null", O_RDWR | O_CLOEXEC);
	files[DIRECTORY] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned int i = 0; i < NR_KINDS; i++)
		MUST(files[i] >= 0);
	for (unsigned int i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		events[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	snprintf(path, sizeof(path), "/tmp/gantry-fuzz-client-%d", (int)getpid());
	strcpy(sa.sun_path, path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unlink(path);
	MUST(bind(listener, (struct sockaddr *)&sa, sizeof(sa)) == 0 && listen(listener, 4) == 0);
	atexit(remove_socket);
	MUST(pthread_create(&thread, NULL, server_thread, NULL) == 0);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned int runs;
	struct input in = { data, size };
	uint8_t calls[MAX_CALLS][4], how = in_uint8(&in);
	unsigned int nr = how % MAX_CALLS;
	struct vfu_client_params params = {
		.timeout_ms = TIMEOUT_S * 1000,
		.lost = lost,
		.queue_pages = how & 0x80,
	};
	struct vfu_client *c;
	char err[VFU_ERR_LEN];
	int ret;

	if (how & 0x40) {
		params.dma_read = dma_read;
		params.dma_write = dma_write;
	}
	for (unsigned int i = 0; i < nr; i++)
		in_bytes(&in, calls[i], sizeof(calls[i]));
	nr_maps = 0;
	losses = 0;
	pthread_mutex_lock(&sv.lock);
	sv.script = in;
	sv.given = true;
	sv.done = false;
	pthread_cond_signal(&sv.cond);
	pthread_mutex_unlock(&sv.lock);

	ret = vfu_client_connect(path, &params, &c, err);
	if (ret == 0) {
		for (unsigned int i = 0; i < nr; i++)
			call(c, calls[i]);
		vfu_client_close(c);
		MUST(losses <= 1);
	} else {
		MUST(ret < 0 && ret != -ETIMEDOUT);
		MUST(err[0] != '\0' && strchr(err, '\n') == NULL);
		MUST(losses == 0);
	}
	pthread_mutex_lock(&sv.lock);
	while (!sv.done)
		pthread_cond_wait(&sv.cond, &sv.lock);
	pthread_mutex_unlock(&sv.lock);
	if (runs++ % 1024 == 0)
		check_leaks();
	return 0;
}
