#include "probe.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "args.h"

static const struct command {
	const char *name;
	const char *arguments;
	const char *help;
	bool takes_number;
	int (*run)(const struct probe *probe); // negative errno: did not do what it says
} commands[] = {
	{"objects", "", "what the fd shows", false, probe_objects},
	{"flip", "N", "mode-set and flip N times", true, probe_flip},
	{"flip-rate", "SECONDS", "flip, and tell how evenly, until told to stop", true,
		probe_flip_rate},
	{"flip-on", "", "flip until told to stop, wait while it may not", false, probe_flip_on},
	{"flip-turns", "SECONDS", "flip on a lease and as master of --card, in turns", true,
		probe_flip_turns},
	{"hold", "", "show a filled picture until told to stop", false, probe_hold},
	{"sit", "", "hold the lease and show nothing until told to stop", false, probe_sit},
	{"peek", "", "what is left of the previous picture", false, probe_peek},
	{"errno-after-release", "", "show, wait for a line, try again", false,
		probe_errno_after_release},
	{"storm", "N", "request and close N times", true, probe_storm},
	{"kill-storm", "N", "N callers, each killed at some moment", true, probe_kill_storm},
	{"rpc-latency", "N", "N empty calls to scanoutd", true, probe_rpc_latency},
	{"ioctl-latency", "N", "N bare leases of the master of --card", true, probe_ioctl_latency},
	{"handoff", "", "give the lease to a child and exit", false, probe_handoff},
	{"leave-in-flight", "", "request and exit before the reply", false, probe_leave_in_flight},
	{"leave-unread", "", "request and never read the reply", false, probe_leave_unread},
	{"spread", "", "hold the lease in three processes", false, probe_spread},
	{"send-away", "", "leave the lease in a socket that nobody reads", false, probe_send_away},
	{"map", "", "close the lease; per line read, unmap a buffer", false, probe_map},
	{"wedge", "SECONDS", "commit behind a fence that stays unsignalled", true, probe_wedge},
	{"hang", "", "commit, and stop with all locks held until told to go on", false, probe_hang},
	{"calls", "N", "list, request and release N times", true, probe_calls},
	{"attack", "N", "the attack of --name on the guest socket, N times", true, probe_attack},
};

static int print_usage(void) {
	fputs("usage: probe COMMAND [OPTION…]\n\n", stderr);
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		fprintf(stderr, "  %-19s %-8s %s\n", commands[i].name, commands[i].arguments,
			commands[i].help);
	}
	fputs("\nWorks on the lease in $" LEASE_FD_VARIABLE ", or:\n"
	      "  --request              on one that it requests\n"
	      "  --scanout ID           of that scanout; storms take several\n"
	      "  --label LABEL          with that label\n"
	      "  --takeover             instead of our lease with that label\n"
	      "  --timeout SECONDS      waiting so long for it\n"
	      "  --card PATH            on a card, as its master\n"
	      "  --connector NAME       and on that connector\n"
	      "  --mode WIDTHxHEIGHT    in that mode\n"
	      "  --fill RRGGBB          in that colour\n"
	      "  --other RRGGBB         and in this one after each other flip\n"
	      "  --atomic               by atomic commits, non-blocking where it can be\n"
	      "  --name NAME            with a readable strip of that name (hold)\n"
	      "  --settle               lets each lease end before the next (storm)\n"
	      "  --pause MILLISECONDS   of quiet before each timed call (storm, …-latency)\n"
	      "  --rate N               flips a second, and tells which come late; else as fast\n"
	      "                         as they come (flip-rate)\n"
	      "  --seed N               of what is drawn by lot (kill-storm)\n"
	      "  --await                begins when standard input ends (flip, flip-rate)\n"
	      "  --keep                 keeps its buffers when its lease ends (flip-rate)\n"
	      "  --scan N               also tries framebuffers 1 to N (peek)\n",
		stderr);
	return 2;
}

static bool parse_option(struct probe *probe, int option) {
	uint64_t number = 0;
	bool ok = true;

	switch (option) {
	case 'r':
		probe->request = true;
		break;
	case 's':
		ok = probe->n_scanouts < PROBE_MAX_SCANOUTS;
		if (ok) {
			probe->scanouts[probe->n_scanouts++] = optarg;
		}
		break;
	case 'l':
		probe->wish.label = optarg;
		break;
	case 't':
		ok = args_number(optarg, 86400, &number);
		probe->wish.timeout_usec = number * 1000000;
		break;
	case 'o':
		probe->wish.takeover = true;
		break;
	case 'c':
		probe->card = optarg;
		break;
	case 'k':
		probe->connector = optarg;
		break;
	case 'm':
		ok = args_mode(optarg, &probe->width, &probe->height);
		break;
	case 'f':
		ok = args_colour(optarg, &probe->fill);
		break;
	case 'x':
		ok = args_colour(optarg, &probe->fill_other);
		probe->has_other = true;
		break;
	case 'n':
		probe->name = optarg;
		break;
	case 'A':
		probe->atomic = true;
		break;
	case 'w':
		probe->settle = true;
		break;
	case 'p':
		ok = args_number(optarg, 10000, &number);
		probe->pause_usec = number * 1000;
		break;
	case 'z':
		ok = args_number(optarg, 1000, &probe->rate);
		break;
	case 'd':
		ok = args_number(optarg, UINT32_MAX, &probe->seed);
		break;
	case 'a':
		probe->await = true;
		break;
	case 'e':
		probe->keep = true;
		break;
	case 'i':
		ok = args_number(optarg, 100000, &number);
		probe->scan = (uint32_t)number;
		break;
	default:
		ok = false;
	}
	return ok;
}

static bool parse_options(struct probe *probe, int argc, char **argv) {
	static const struct option options[] = {
		{"request", no_argument, NULL, 'r'},
		{"scanout", required_argument, NULL, 's'},
		{"label", required_argument, NULL, 'l'},
		{"takeover", no_argument, NULL, 'o'},
		{"timeout", required_argument, NULL, 't'},
		{"card", required_argument, NULL, 'c'},
		{"connector", required_argument, NULL, 'k'},
		{"mode", required_argument, NULL, 'm'},
		{"fill", required_argument, NULL, 'f'},
		{"other", required_argument, NULL, 'x'},
		{"name", required_argument, NULL, 'n'},
		{"atomic", no_argument, NULL, 'A'},
		{"settle", no_argument, NULL, 'w'},
		{"pause", required_argument, NULL, 'p'},
		{"rate", required_argument, NULL, 'z'},
		{"seed", required_argument, NULL, 'd'},
		{"await", no_argument, NULL, 'a'},
		{"keep", no_argument, NULL, 'e'},
		{"scan", required_argument, NULL, 'i'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (!parse_option(probe, option)) {
			return false;
		}
	}
	probe->wish.scanout = probe->scanouts[0];
	return true;
}

static const struct command *find_command(const char *name) {
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (strcmp(commands[i].name, name) == 0) {
			return &commands[i];
		}
	}
	return NULL;
}

int main(int argc, char **argv) {
	struct probe probe = {.fill = 0x336699};
	const struct command *command;

	if (!parse_options(&probe, argc, argv) || optind == argc) {
		return print_usage();
	}
	command = find_command(argv[optind++]);
	if (command == NULL) {
		return print_usage();
	}
	if (command->takes_number &&
		(optind == argc || !args_number(argv[optind++], 10000000, &probe.number) ||
			probe.number == 0)) {
		return print_usage();
	}
	if (optind != argc) {
		return print_usage();
	}
	return command->run(&probe) < 0 ? 1 : 0;
}
