; Start-up, interrupt handlers and vectors of the MSP430FR2433.

#define CPUOFF 0x0010
#define UCOE 0x0020
#define UCA0STATW 0x050A
#define UCA0RXBUF 0x050C
#define TA0CTL 0x0380
#define WDTCTL 0x01CC

    .section .start, "ax", @progbits
    .global start
start:
    mov #0x5A80, &WDTCTL        ; hold the watchdog
    mov #stack_top, sp
    mov #bss_start, r12
1:  clr 0(r12)
    incd r12
    cmp #bss_end, r12
    jlo 1b
    mov #stack_end, r12         ; paint the stack
2:  mov #0xA5A5, 0(r12)
    incd r12
    cmp #stack_top, r12
    jlo 2b
    call #main
    br #start

    .text
; A byte has come: into the ring, and wake the main loop.
uart_received:
    push r12
    push r13
    bit #UCOE, &UCA0STATW
    jz 1f
    inc &line_overruns
1:  mov.b &UCA0RXBUF, r13
    mov.b &line_head, r12
    mov.b r13, line_ring(r12)
    inc.b r12
    and.b #63, r12
    cmp.b &line_tail, r12
    jne 2f
    inc &line_overruns          ; full: the byte is lost
    jmp 3f
2:  mov.b r12, &line_head
3:  bic #CPUOFF, 4(sp)
    pop r13
    pop r12
    reti

; The cycle counter has wrapped. The main loop wakes to kick the watchdog.
timer_wrapped:
    inc &timer_wraps
    bic #1, &TA0CTL
    bic #CPUOFF, 0(sp)
    reti

    .section .vectors, "a", @progbits
    .word start                 ; 0xFFDA P2
    .word start                 ; 0xFFDC P1
    .word start                 ; 0xFFDE ADC
    .word start                 ; 0xFFE0 eUSCI_B0
    .word start                 ; 0xFFE2 eUSCI_A1
    .word uart_received         ; 0xFFE4 eUSCI_A0
    .word start                 ; 0xFFE6 watchdog as a timer
    .word start                 ; 0xFFE8 RTC
    .word start                 ; 0xFFEA TA3
    .word start                 ; 0xFFEC TA3 CCR0
    .word start                 ; 0xFFEE TA2
    .word start                 ; 0xFFF0 TA2 CCR0
    .word start                 ; 0xFFF2 TA1
    .word start                 ; 0xFFF4 TA1 CCR0
    .word timer_wrapped         ; 0xFFF6 TA0
    .word start                 ; 0xFFF8 TA0 CCR0
    .word start                 ; 0xFFFA user NMI
    .word start                 ; 0xFFFC system NMI
    .word start                 ; 0xFFFE reset
