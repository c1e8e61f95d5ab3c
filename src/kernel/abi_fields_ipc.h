/* The fields of System V IPC's structures: for abi_layout.c alone, whose macros these are. */
#ifndef KERNEL_ABI_FIELDS_IPC_H
#define KERNEL_ABI_FIELDS_IPC_H

#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

/* Times have 64 bits, wherever they come to stand; MIPS has their upper halves at the end. */
#define TIME(type_, member) FIELD(type_, member, T_S64 | T_PACKED)
#define PERM(type_, perm)                                                                          \
    FIELD(type_, perm.__key, T_S32), FIELD(type_, perm.uid, T_U32), FIELD(type_, perm.gid, T_U32), \
        FIELD(type_, perm.cuid, T_U32), FIELD(type_, perm.cgid, T_U32),                            \
        FIELD(type_, perm.mode, T_U32), FIELD(type_, perm.__seq, T_U16), PAD(2), PAD(8)
#define SHM(member, kind) FIELD(struct shmid_ds, member, kind)
static const struct field f_shmid_ds[] = {PERM(struct shmid_ds, shm_perm),
                                          SHM(shm_segsz, T_U32),
                                          TIME(struct shmid_ds, shm_atime),
                                          TIME(struct shmid_ds, shm_dtime),
                                          TIME(struct shmid_ds, shm_ctime),
                                          SHM(shm_cpid, T_S32),
                                          SHM(shm_lpid, T_S32),
                                          SHM(shm_nattch, T_U32),
                                          PAD(8),
                                          END};
static const struct field f_shmid_ds_mips[] = {PERM(struct shmid_ds, shm_perm),
                                               SHM(shm_segsz, T_U32),
                                               SHM(shm_atime, T_S32),
                                               SHM(shm_dtime, T_S32),
                                               SHM(shm_ctime, T_S32),
                                               SHM(shm_cpid, T_S32),
                                               SHM(shm_lpid, T_S32),
                                               SHM(shm_nattch, T_U32),
                                               PAD(8),
                                               END};
#define LIMIT(member) FIELD(struct shminfo, member, T_U32)
static const struct field f_shminfo[] = {
    LIMIT(shmmax), LIMIT(shmmin), LIMIT(shmmni), LIMIT(shmseg), LIMIT(shmall), PAD(16), END};
#define USE(member) FIELD(struct shm_info, member, T_U32)
static const struct field f_shm_info[] = {FIELD(struct shm_info, used_ids, T_S32),
                                          USE(shm_tot),
                                          USE(shm_rss),
                                          USE(shm_swp),
                                          USE(swap_attempts),
                                          USE(swap_successes),
                                          END};
static const struct field f_semid_ds[] = {PERM(struct semid_ds, sem_perm),
                                          TIME(struct semid_ds, sem_otime),
                                          TIME(struct semid_ds, sem_ctime),
                                          FIELD(struct semid_ds, sem_nsems, T_U32),
                                          PAD(8),
                                          END};
static const struct field f_semid_ds_mips[] = {PERM(struct semid_ds, sem_perm),
                                               FIELD(struct semid_ds, sem_otime, T_S32),
                                               FIELD(struct semid_ds, sem_ctime, T_S32),
                                               FIELD(struct semid_ds, sem_nsems, T_U32),
                                               PAD(8),
                                               END};
#define SEM(member) FIELD(struct seminfo, member, T_S32)
static const struct field f_seminfo[] = {SEM(semmap), SEM(semmni), SEM(semmns), SEM(semmnu),
                                         SEM(semmsl), SEM(semopm), SEM(semume), SEM(semusz),
                                         SEM(semvmx), SEM(semaem), END};
static const struct field f_sembuf[] = {FIELD(struct sembuf, sem_num, T_U16),
                                        FIELD(struct sembuf, sem_op, T_S16),
                                        FIELD(struct sembuf, sem_flg, T_S16), END};
#define MSG(member, kind) FIELD(struct msqid_ds, member, kind)
static const struct field f_msqid_ds[] = {PERM(struct msqid_ds, msg_perm),
                                          TIME(struct msqid_ds, msg_stime),
                                          TIME(struct msqid_ds, msg_rtime),
                                          TIME(struct msqid_ds, msg_ctime),
                                          MSG(__msg_cbytes, T_U32),
                                          MSG(msg_qnum, T_U32),
                                          MSG(msg_qbytes, T_U32),
                                          MSG(msg_lspid, T_S32),
                                          MSG(msg_lrpid, T_S32),
                                          PAD(8),
                                          END};
#define POOL(member) FIELD(struct msginfo, member, T_S32)
static const struct field f_msginfo[] = {
    POOL(msgpool), POOL(msgmap), POOL(msgmax), POOL(msgmnb),
    POOL(msgmni),  POOL(msgssz), POOL(msgtql), FIELD(struct msginfo, msgseg, T_U16),
    PAD(2),        END};

#endif
