import { Coming } from '../../shell/Coming'

export default function WebgptPage() {
  return <Coming id="webgpt" />
}
