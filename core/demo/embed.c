/* embed.c - the program of actor/, linked by itself in the build, inside this executable. */
__asm__(".section .rodata\n"
        ".balign 16\n"
        ".globl mmr_demo_actor\n.hidden mmr_demo_actor\n"
        "mmr_demo_actor:\n"
        ".incbin \"" MMR_DEMO_ACTOR_FILE "\"\n"
        ".globl mmr_demo_actor_end\n.hidden mmr_demo_actor_end\n"
        "mmr_demo_actor_end:\n"
        ".byte 0\n"
        ".previous");
