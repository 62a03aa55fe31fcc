import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { houseQuery } from '../api/queries'
import { authWords } from '../i18n/authWords'
import { useWords } from '../i18n/text'
import { buttonClass } from '../ui/Button'
import { Icon } from '../ui/Icon'

// Where the demo's letters arrive. A house that sends real ones shows nothing here.
export function MailboxLink({ small = false }: { small?: boolean }) {
  const words = useWords(authWords)
  const { data } = useQuery(houseQuery)
  if (!data?.demo) return null
  return (
    <Link to="/sandbox/mailbox" className={buttonClass(small ? { small } : {})}>
      <Icon name="letter" size={small ? 16 : 20} />
      {words.openMailbox}
    </Link>
  )
}
