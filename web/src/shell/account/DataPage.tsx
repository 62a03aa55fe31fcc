import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { askDeletion } from '../../api/identity'
import { meQuery } from '../../api/queries'
import { day } from '../../i18n/format'
import { dataWords } from '../../i18n/keyWords'
import { useLocale } from '../../i18n/locale'
import { useWords } from '../../i18n/text'
import { Button, buttonClass } from '../../ui/Button'
import { Icon } from '../../ui/Icon'
import { useGuarded } from '../stepUp'
import styles from './account.module.css'
import { Confirm, Page } from './parts'

export default function DataPage() {
  const words = useWords(dataWords)
  const locale = useLocale()
  const queryClient = useQueryClient()
  const { data: me } = useQuery(meQuery)
  const [asking, setAsking] = useState(false)
  const remove = useGuarded({
    mutationFn: askDeletion,
    onSuccess: () => {
      setAsking(false)
      window.scrollTo({ top: 0 })
      return queryClient.invalidateQueries({ queryKey: meQuery.queryKey })
    },
  })
  return (
    <Page title={words.title} lead={words.lead}>
      <section className={styles['card']}>
        <h2>{words.export}</h2>
        <p className={styles['soft']}>{words.exportText}</p>
        <div>
          <a className={buttonClass({ small: true })} href="/account/export" download="noren-export.json">
            <Icon name="down" size={16} />
            {words.exportDo}
          </a>
        </div>
      </section>
      <section className={styles['card']}>
        <h2>{words.delete}</h2>
        {me?.deletion_at ? (
          <p role="status">{words.planned(day(me.deletion_at, locale))}</p>
        ) : (
          <>
            <p className={styles['soft']}>{words.deleteText}</p>
            <div>
              <Button small onClick={() => setAsking(true)}>
                <Icon name="trash" size={16} />
                {words.deleteDo}
              </Button>
            </div>
          </>
        )}
      </section>
      {asking && (
        <Confirm
          title={words.deleteTitle}
          text={words.deleteConfirm}
          act={words.deleteYes}
          run={remove}
          onClose={() => setAsking(false)}
        />
      )}
    </Page>
  )
}
