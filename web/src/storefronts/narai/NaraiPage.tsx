import { Coming } from '../../shell/Coming'

export default function NaraiPage() {
  return <Coming id="narai" />
}
