/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A remote-controlled interface of a kernel by packet(7), as ethdev_port.c is for a port.
 *
 *	packet_socket INTERFACE
 *
 * Lines of the standard input:
 *	tx HEX [START OFFSET [TYPE SIZE HEADERS]]
 * transmits a frame. With START, the driver of the kernel must store at START + OFFSET a checksum
 * of all bytes from START on. With TYPE (a GSO type of virtio_net.h), it must segment the frame
 * into SIZE bytes of payload, each after HEADERS bytes of headers. The program answers each line
 * with "done". For each received frame it prints a line "rx len=... [tci=...] data=...".
 */

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>

#define LINE 140000 /* 64 KiB in hex, and words */

__attribute__((noreturn)) static void
fail(const char *what)
{
	printf("failed: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int
open_socket(const char *interface)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = if_nametoindex(interface),
	};
	struct packet_mreq promiscuous = {
		.mr_ifindex = to.sll_ifindex,
		.mr_type = PACKET_MR_PROMISC,
	};
	int fd = socket(AF_PACKET, SOCK_RAW, 0), on = 1, bytes = 8 << 20;

	if (fd < 0 || to.sll_ifindex == 0)
		fail(interface);
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) != 0 ||
			setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) != 0 ||
			setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) != 0 ||
			setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0 ||
			setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous,
					sizeof(promiscuous)) != 0 ||
			bind(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		fail(interface);
	return fd;
}

static void
transmit(int fd, const char *line)
{
	static uint8_t frame[LINE / 2];
	struct virtio_net_hdr head = { 0 };
	unsigned int start, offset, type, size, headers, byte;
	struct iovec iov[2] = { { &head, sizeof(head) }, { frame, 0 } };
	const char *hex = line;
	int words;

	for (; sscanf(hex, "%2x", &byte) == 1 && *hex != ' '; hex += 2)
		frame[iov[1].iov_len++] = byte;
	words = sscanf(hex, "%u %u %u %u %u", &start, &offset, &type, &size, &headers);
	if (words >= 2) {
		head.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		head.csum_start = start;
		head.csum_offset = offset;
	}
	if (words == 5) {
		head.gso_type = type;
		head.gso_size = size;
		head.hdr_len = headers;
	}
	if (writev(fd, iov, 2) < 0)
		fail("send");
	printf("done\n");
}

static void
receive(int fd)
{
	static uint8_t frame[65536];
	char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	struct virtio_net_hdr head;
	struct iovec iov[2] = { { &head, sizeof(head) }, { frame, sizeof(frame) } };
	struct msghdr msg = {
		.msg_iov = iov,
		.msg_iovlen = 2,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t len = recvmsg(fd, &msg, 0), i;
	struct cmsghdr *c;

	if (len < (ssize_t)sizeof(head))
		fail("receive");
	len -= sizeof(head);
	printf("rx len=%zd", len);
	for (c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c)) {
		const struct tpacket_auxdata *aux = (const void *)CMSG_DATA(c);

		if (c->cmsg_type == PACKET_AUXDATA && aux->tp_status & TP_STATUS_VLAN_VALID)
			printf(" tci=%u", aux->tp_vlan_tci);
	}
	printf(" data=");
	for (i = 0; i < len; i++)
		printf("%02x", frame[i]);
	printf("\n");
}

int
main(int argc, char **argv)
{
	struct pollfd p[2] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .events = POLLIN } };
	static char line[LINE];

	if (argc != 2) {
		fprintf(stderr, "usage: packet_socket INTERFACE\n");
		return 2;
	}
	setvbuf(stdin, NULL, _IONBF, 0); /* poll() does not report data that stdio has buffered */
	p[1].fd = open_socket(argv[1]);
	printf("ready\n");
	for (;;) {
		fflush(stdout);
		if (poll(p, 2, -1) < 0)
			fail("poll");
		if (p[1].revents != 0)
			receive(p[1].fd);
		if (p[0].revents == 0)
			continue;
		if (fgets(line, sizeof(line), stdin) == NULL || strncmp(line, "tx ", 3) != 0)
			return 0;
		transmit(p[1].fd, line + 3);
	}
}
