/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Pings an address with each payload size of a range, in bytes:
 *
 *	ping_sizes ADDRESS FROM TO
 *
 * The program does the same as "ping -M do -c 1 -s SIZE ADDRESS" for each SIZE, but in one process,
 * so that thousands of pings take seconds. It compares the payload of each answer.
 *
 * A kernel need not answer each ping: it drops an echo reply for which it has no memory, and counts
 * it (OutErrors of Icmp in /proc/net/snmp). So the program pings again what was not answered, and
 * prints how often.
 */

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>

#define MAX_SIZE 65000
#define WAIT_MS  3000
#define TRIES    3 /* for each size */
#define ENOUGH   8 /* losses after which the program stops */

static uint16_t
checksum(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;
	size_t i;

	for (i = 0; i < len; i++)
		sum += i % 2 == 0 ? p[i] << 8 : p[i];
	while (sum >> 16 != 0)
		sum = (sum & 0xFFFF) + (sum >> 16);
	return htons(~sum);
}

/* Wait for the answer to `sent`; return false if it does not arrive. */
static bool
answered(int fd, const uint8_t *sent, size_t len, bool *equal)
{
	static uint8_t got[MAX_SIZE + 100];
	const struct icmphdr *ask = (const void *)sent;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (poll(&p, 1, WAIT_MS) == 1) {
		const ssize_t n = recv(fd, got, sizeof(got), 0);
		const size_t head = n < 20 ? 0 : 4u * (got[0] & 15);
		const struct icmphdr *icmp = (const void *)(got + head);

		if (n < (ssize_t)(head + sizeof(*icmp)) || icmp->type != ICMP_ECHOREPLY ||
				icmp->un.echo.id != ask->un.echo.id ||
				icmp->un.echo.sequence != ask->un.echo.sequence)
			continue;
		*equal = (size_t)n == head + len &&
				memcmp(icmp + 1, sent + sizeof(*ask), len - sizeof(*ask)) == 0;
		return true;
	}
	return false;
}

int
main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	static uint8_t packet[sizeof(struct icmphdr) + MAX_SIZE];
	struct icmphdr *icmp = (struct icmphdr *)packet;
	unsigned int size, from, last, sent = 0, good = 0, again = 0, i;
	const int df = IP_PMTUDISC_DO;
	uint32_t random = 1;
	bool equal;
	int fd;

	if (argc != 4 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 ||
			sscanf(argv[2], "%u", &from) != 1 || sscanf(argv[3], "%u", &last) != 1 ||
			last > MAX_SIZE) {
		fprintf(stderr, "usage: ping_sizes ADDRESS FROM TO\n");
		return 2;
	}
	fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &df, sizeof(df)) != 0) {
		perror("ping_sizes");
		return 1;
	}
	for (i = 0; i < MAX_SIZE; i++) {
		random = random * 1103515245 + 12345;
		packet[sizeof(*icmp) + i] = random >> 16;
	}
	for (size = from; size <= last && sent - good < ENOUGH; size++) {
		const size_t len = sizeof(*icmp) + size;

		*icmp = (struct icmphdr){
			.type = ICMP_ECHO,
			.un.echo = { htons(getpid()), htons(size) },
		};
		icmp->checksum = checksum(packet, len);
		sent++;
		for (i = 0; i < TRIES; i++) {
			if (sendto(fd, packet, len, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
				printf("size %u: %s\n", size, strerror(errno));
			else if (answered(fd, packet, len, &equal))
				break;
			again++;
		}
		if (i == TRIES)
			printf("size %u: no answer\n", size);
		else if (!equal)
			printf("size %u: another payload came back\n", size);
		else
			good++;
	}
	printf("sent=%u\nequal=%u\nagain=%u\n", sent, good, again);
	return sent == good ? 0 : 1;
}
