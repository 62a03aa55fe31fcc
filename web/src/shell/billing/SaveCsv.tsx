import { useMutation } from '@tanstack/react-query'
import { dailyWords } from '../../i18n/billingWords'
import { useWords } from '../../i18n/text'
import { Button } from '../../ui/Button'
import { Icon } from '../../ui/Icon'
import { saveAs, toCsv } from '../csv'
import { Summary } from '../form'

type Row = readonly (string | number)[]

// Reads all that there is, and hands it out as a file.
export function SaveCsv({ name, head, rows }: { name: string; head: readonly string[]; rows: () => Promise<Row[]> }) {
  const words = useWords(dailyWords)
  const save = useMutation({ mutationFn: async () => saveAs(name, toCsv(head, await rows())) })
  return (
    <div>
      <Button small disabled={save.isPending} onClick={() => save.mutate()}>
        <Icon name="down" size={16} />
        {words.csv}
      </Button>
      <Summary error={save.error} />
    </div>
  )
}
