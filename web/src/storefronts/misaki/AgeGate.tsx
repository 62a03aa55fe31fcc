import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { type ReactNode, useEffect, useRef, useState } from 'react'
import { confirmAge, getAge } from '../../api/misaki'
import { roomWords } from '../../i18n/roomWords'
import { useWords } from '../../i18n/text'
import { Summary } from '../../shell/form'
import { Button, buttonClass } from '../../ui/Button'
import { isTouch } from '../../ui/keys'
import { Noren } from '../../ui/Noren'
import styles from './talk.module.css'

export const ageQuery = {
  queryKey: ['misaki', 'age'],
  queryFn: getAge,
  staleTime: Number.POSITIVE_INFINITY,
  retry: false,
}

// A bar asks once. When the house cannot say whether it has asked, nobody is kept out in the cold.
export function AgeGate({ ready, children }: { ready: boolean; children: ReactNode }) {
  const words = useWords(roomWords)
  const client = useQueryClient()
  const age = useQuery({ ...ageQuery, enabled: ready })
  const [young, setYoung] = useState(false)
  const yes = useRef<HTMLButtonElement>(null)
  // What lies behind stays as it is, so that nothing is loaded twice and no half-written line is lost.
  const inside = useRef<HTMLDivElement>(null)
  const confirm = useMutation({
    mutationFn: () => confirmAge(true),
    onSuccess: (now) => client.setQueryData(ageQuery.queryKey, now),
  })
  const asked = age.data !== undefined && age.data.confirmed_at === null
  const answered = confirm.isSuccess && !asked
  useEffect(() => {
    if (asked) yes.current?.focus()
  }, [asked])
  // Only what is shown can be focused, and who uses a screen reader would else be left at the top of the page.
  useEffect(() => {
    if (answered && !isTouch()) inside.current?.querySelector('textarea')?.focus()
  }, [answered])
  const gate = (
    <div className={styles['gate']}>
      <Noren characters="みさき" cloth="misaki" />
      <h2>{young ? words.gateSorry : words.gateTitle}</h2>
      {!young && <p className={styles['soft']}>{words.gateText}</p>}
      <Summary error={confirm.error} />
      {young ? (
        <>
          <Link to="/" className={buttonClass({ look: 'primary' })}>
            {words.gateHome}
          </Link>
          <Button look="plain" small onClick={() => setYoung(false)}>
            {words.gateBack}
          </Button>
        </>
      ) : (
        <>
          <Button ref={yes} look="primary" disabled={confirm.isPending} onClick={() => confirm.mutate()}>
            {words.gateYes}
          </Button>
          <Button look="plain" onClick={() => setYoung(true)}>
            {words.gateNo}
          </Button>
        </>
      )}
    </div>
  )
  return (
    <>
      {asked && gate}
      <div ref={inside} className={asked ? styles['behind'] : styles['around']}>
        {children}
      </div>
    </>
  )
}
