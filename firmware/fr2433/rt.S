; What clang calls for the arithmetic that MSP430 has no instruction for (MSP430 EABI, SLAA534).
; No interrupt handler multiplies, so interrupts need not be held off.

#define MPY 0x04C0
#define OP2 0x04C8
#define MPY32L 0x04D0
#define MPY32H 0x04D2
#define OP2L 0x04E0
#define OP2H 0x04E2
#define RES0 0x04E4
#define RES1 0x04E6

    .text
    .global __mspabi_mpyi_f5hw, __mspabi_mpyl_f5hw, __mspabi_divul, memset

__mspabi_mpyi_f5hw:             ; r12 = r12 · r13
    mov r12, &MPY
    mov r13, &OP2
    mov &RES0, r12
    ret

__mspabi_mpyl_f5hw:             ; r13:r12 = r13:r12 · r15:r14
    mov r12, &MPY32L
    mov r13, &MPY32H
    mov r14, &OP2L
    mov r15, &OP2H
    mov &RES0, r12
    mov &RES1, r13
    ret

__mspabi_divul:                 ; r13:r12 = r13:r12 / r15:r14, unsigned
    push r8
    push r9
    push r10
    clr r8                      ; the remainder is r9:r8
    clr r9
    mov #32, r10
1:  rla r12
    rlc r13
    rlc r8
    rlc r9
    cmp r15, r9
    jlo 3f
    jne 2f
    cmp r14, r8
    jlo 3f
2:  sub r14, r8
    subc r15, r9
    bis #1, r12
3:  dec r10
    jnz 1b
    pop r10
    pop r9
    pop r8
    ret

memset:                         ; r14 bytes of r13 from r12 on; returns r12
    mov r12, r15
1:  tst r14
    jz 2f
    mov.b r13, 0(r15)
    inc r15
    dec r14
    jmp 1b
2:  ret
