import { Coming } from '../../shell/Coming'

export default function GenaiPage() {
  return <Coming id="genai" />
}
